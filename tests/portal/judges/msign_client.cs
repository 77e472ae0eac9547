// An integrator's client of the service, as one is written for .NET: contracts by hand, a synchronous proxy, a certificate from a
// .p12 file. Compiled with mcs and run by mono in wcf_test.py; nothing in it is of Signet.
//
// usage: msign_client.exe ENDPOINT SERVER.pem P12 COMMAND …      (P12: "-" for no certificate)
using System;
using System.Collections.Generic;
using System.Linq;
using System.Net;
using System.Runtime.Serialization;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using System.ServiceModel;
using System.Text;

[ServiceContract(Namespace = Contract.Namespace)]
public interface IMSign
{
    [OperationContract] string PostSignRequest(SignRequest request);
    [OperationContract] SignResponse GetSignResponse(string requestID, string language);
    [OperationContract] VerificationResponse VerifySignatures(VerificationRequest request);
}

public static class Contract
{
    public const string Namespace = "https://msign.gov.md";
}

[DataContract(Namespace = Contract.Namespace)] public enum ContentType { [EnumMember] Hash, [EnumMember] Pdf }
[DataContract(Namespace = Contract.Namespace)] public enum DelegatorType { [EnumMember] None, [EnumMember] Person, [EnumMember] Organization }
[DataContract(Namespace = Contract.Namespace)] public enum SignStatus
{
    [EnumMember] Pending, [EnumMember] Success, [EnumMember] Failure, [EnumMember] Expired
}

[DataContract(Namespace = Contract.Namespace)]
public class SignRequest
{
    [DataMember] public string ContentDescription;
    [DataMember(IsRequired = true)] public ContentType ContentType;
    [DataMember(IsRequired = true)] public SignContent[] Contents;
    [DataMember] public ExpectedSigner ExpectedSigner;
    [DataMember(IsRequired = true)] public string ShortContentDescription;
    [DataMember(EmitDefaultValue = false)] public string SignatureReason;
}

[DataContract(Namespace = Contract.Namespace)]
public class SignContent
{
    [DataMember(IsRequired = true)] public byte[] Content;
    [DataMember] public string CorrelationID;
    [DataMember] public bool MultipleSignatures;
    [DataMember] public string Name;  // null is sent as nil
}

[DataContract(Namespace = Contract.Namespace)]
public class ExpectedSigner
{
    [DataMember] public int DelegatedRoleID;
    [DataMember] public string DelegatorID;
    [DataMember] public DelegatorType DelegatorType;
    [DataMember(IsRequired = true)] public string ID;
}

[DataContract(Namespace = Contract.Namespace)]
public class SignResponse
{
    [DataMember] public string Message;
    [DataMember(IsRequired = true)] public SignResult[] Results;
    [DataMember(IsRequired = true)] public SignStatus Status;
}

[DataContract(Namespace = Contract.Namespace)]
public class SignResult
{
    [DataMember] public byte[] Certificate;
    [DataMember] public string CorrelationID;
    [DataMember] public byte[] Signature;
}

[DataContract(Namespace = Contract.Namespace)]
public class VerificationRequest
{
    [DataMember(IsRequired = true)] public VerificationContent[] Contents;
    [DataMember] public string Language;
    [DataMember(IsRequired = true)] public ContentType SignedContentType;
}

[DataContract(Namespace = Contract.Namespace)]
public class VerificationContent
{
    [DataMember] public byte[] Content;
    [DataMember] public string CorrelationID;
    [DataMember(IsRequired = true)] public byte[] Signature;
}

[DataContract(Namespace = Contract.Namespace)]
public class VerificationResponse
{
    [DataMember(IsRequired = true)] public VerificationResult[] Results;
}

[DataContract(Namespace = Contract.Namespace)]
public class VerificationResult
{
    [DataMember] public VerificationCertificate[] Certificates;
    [DataMember] public string CorrelationID;
    [DataMember(IsRequired = true)] public string Message;
    [DataMember(IsRequired = true)] public bool SignaturesValid;
}

[DataContract(Namespace = Contract.Namespace)]
public class VerificationCertificate
{
    [DataMember(IsRequired = true)] public byte[] Certificate;
    [DataMember(IsRequired = true)] public bool SignatureValid;
    [DataMember] public DateTime? SignedAt;
    [DataMember(IsRequired = true)] public string Subject;
}

public static class Program
{
    static byte[] HashOf(string text)
    {
        using (var sha = SHA256.Create()) return sha.ComputeHash(Encoding.UTF8.GetBytes(text));
    }

    static IMSign Connect(string endpoint, string server, string p12)
    {
        var pinned = new X509Certificate2(server).RawData;
        ServicePointManager.ServerCertificateValidationCallback =
            (sender, certificate, chain, errors) => certificate != null && certificate.GetRawCertData().SequenceEqual(pinned);
        var binding = new BasicHttpBinding(BasicHttpSecurityMode.Transport) { MaxReceivedMessageSize = 64 << 20 };
        binding.ReaderQuotas.MaxArrayLength = 16 << 20;
        binding.ReaderQuotas.MaxStringContentLength = 16 << 20;
        binding.Security.Transport.ClientCredentialType =
            p12 == "-" ? HttpClientCredentialType.None : HttpClientCredentialType.Certificate;
        var factory = new ChannelFactory<IMSign>(binding, new EndpointAddress(endpoint));
        if (p12 != "-") factory.Credentials.ClientCertificate.Certificate = new X509Certificate2(p12, "");
        return factory.CreateChannel();
    }

    // post SIGNER-OR-"-" TEXT…
    static void Post(IMSign service, string signer, IEnumerable<string> texts)
    {
        var contents = texts.Select((text, i) => new SignContent { Content = HashOf(text), CorrelationID = "c" + i });
        Console.WriteLine("request " + service.PostSignRequest(new SignRequest
        {
            ContentType = ContentType.Hash,
            Contents = contents.ToArray(),
            ExpectedSigner = signer == "-" ? null : new ExpectedSigner { ID = signer },
            ShortContentDescription = "Două facturi <&>",
        }));
    }

    // get REQUEST [LANGUAGE]
    static void Get(IMSign service, string request, string language)
    {
        var response = service.GetSignResponse(request, language);
        Console.WriteLine("status " + response.Status);
        Console.WriteLine("message " + (response.Message ?? "-"));
        foreach (var result in response.Results)
            Console.WriteLine("result {0} {1} {2}", result.CorrelationID, Convert.ToBase64String(result.Signature),
                              Convert.ToBase64String(result.Certificate));
    }

    // verify TEXT SIGNATURE-IN-BASE64
    static void Verify(IMSign service, string text, string signature)
    {
        var response = service.VerifySignatures(new VerificationRequest
        {
            Contents = new[] { new VerificationContent { Content = HashOf(text), CorrelationID = "v0", Signature = Convert.FromBase64String(signature) } },
            Language = "en",
            SignedContentType = ContentType.Hash,
        });
        foreach (var result in response.Results)
        {
            Console.WriteLine("verified {0} {1} {2}", result.CorrelationID, result.SignaturesValid, result.Message);
            foreach (var by in result.Certificates ?? new VerificationCertificate[0])
                Console.WriteLine("by {0} {1} {2}", by.SignatureValid, by.SignedAt.HasValue ? by.SignedAt.Value.ToUniversalTime().ToString("o") : "-", by.Subject);
        }
    }

    public static int Main(string[] words)
    {
        Console.OutputEncoding = new UTF8Encoding(false);
        try
        {
            var service = Connect(words[0], words[1], words[2]);
            if (words[3] == "post") Post(service, words[4], words.Skip(5));
            else if (words[3] == "get") Get(service, words[4], words.Length > 5 ? words[5] : null);
            else if (words[3] == "verify") Verify(service, words[4], words[5]);
            else return 2;
            return 0;
        }
        catch (FaultException fault)
        {
            Console.WriteLine("fault " + fault.Code.Name);
            Console.WriteLine("reason " + fault.Reason.GetMatchingTranslation().Text);
            return 1;
        }
    }
}
