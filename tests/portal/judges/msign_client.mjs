// An integrator's client of the service with the npm package `soap`, as in its README. Run by node_soap_test.py, which
// names the server's certificate in NODE_EXTRA_CA_CERTS.
//
// usage: node msign_client.mjs ENDPOINT P12 COMMAND …      (P12: "-" for no certificate)
import { createHash } from "node:crypto";
import soap from "soap";

const [endpoint, p12, command, ...words] = process.argv.slice(2);
// The package knows the types of an answer only if its envelope's prefix is soap, soapenv or S. WCF writes s, and so does a service
// that stands in for it: all values are texts, and an array is only what is there more than once.
const all = (elements) => [].concat(elements ?? []);
const truth = (text) => (String(text) === "true" ? "True" : "False");
const hash = (text) => createHash("sha256").update(text).digest("base64");

async function connect() {
  const client = await soap.createClientAsync(`${endpoint}?singleWsdl`);
  if (p12 !== "-") client.setSecurity(new soap.ClientSSLSecurityPFX(p12, ""));
  return client;
}

const operations = {
  // post SIGNER-OR-"-" TEXT…
  async post(service, signer, ...texts) {
    const [answer] = await service.PostSignRequestAsync({
      request: {
        ContentType: "Hash",
        Contents: { SignContent: texts.map((text, i) => ({ Content: hash(text), CorrelationID: `c${i}`, Name: text })) },
        ...(signer === "-" ? {} : { ExpectedSigner: { DelegatedRoleID: 0, DelegatorType: "None", ID: signer } }),
        ShortContentDescription: "Două facturi <&>",
      },
    });
    console.log(`request ${answer.PostSignRequestResult}`);
  },

  // get REQUEST [LANGUAGE]
  async get(service, requestID, language) {
    const [{ GetSignResponseResult: response }] = await service.GetSignResponseAsync({ requestID, ...(language ? { language } : {}) });
    console.log(`status ${response.Status}`);
    console.log(`message ${response.Message ?? "-"}`);
    for (const { CorrelationID, Signature, Certificate } of all(response.Results?.SignResult))
      console.log(`result ${CorrelationID} ${Signature} ${Certificate}`);
  },

  // verify TEXT SIGNATURE-IN-BASE64
  async verify(service, text, signature) {
    const [{ VerifySignaturesResult: response }] = await service.VerifySignaturesAsync({
      request: {
        Contents: { VerificationContent: [{ Content: hash(text), CorrelationID: "v0", Signature: signature }] },
        Language: "en",
        SignedContentType: "Hash",
      },
    });
    for (const result of all(response.Results.VerificationResult)) {
      console.log(`verified ${result.CorrelationID} ${truth(result.SignaturesValid)} ${result.Message}`);
      for (const by of all(result.Certificates?.VerificationCertificate))
        console.log(`by ${truth(by.SignatureValid)} ${by.SignedAt ? new Date(by.SignedAt).toISOString() : "-"} ${by.Subject}`);
    }
  },
};

try {
  await operations[command](await connect(), ...words);
} catch (error) {
  const fault = error.root?.Envelope?.Body?.Fault;
  if (!fault) {
    console.error(error.stack);
    process.exit(3);
  }
  console.log(`fault ${String(fault.faultcode?.$value ?? fault.faultcode).replace(/^.*:/, "")}`);
  console.log(`reason ${fault.faultstring?.$value ?? fault.faultstring}`);
  process.exitCode = 1;
}
