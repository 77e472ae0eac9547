package org.signet.judges;

import eu.europa.esig.dss.enumerations.DigestAlgorithm;
import eu.europa.esig.dss.enumerations.EncryptionAlgorithm;
import eu.europa.esig.dss.enumerations.SignatureAlgorithm;
import eu.europa.esig.dss.enumerations.SignatureLevel;
import eu.europa.esig.dss.enumerations.SignaturePackaging;
import eu.europa.esig.dss.model.DSSDocument;
import eu.europa.esig.dss.model.DSSException;
import eu.europa.esig.dss.model.SignatureValue;
import eu.europa.esig.dss.model.TimestampBinary;
import eu.europa.esig.dss.model.x509.CertificateToken;
import eu.europa.esig.dss.spi.DSSSecurityProvider;
import eu.europa.esig.dss.spi.x509.tsp.TSPSource;
import eu.europa.esig.dss.xades.XAdESSignatureParameters;
import eu.europa.esig.dss.xades.signature.XAdESService;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.GeneralSecurityException;
import java.security.PrivateKey;
import java.security.Signature;
import java.security.cert.X509Certificate;
import java.util.ArrayList;
import java.util.HexFormat;
import java.util.List;

/**
 * Signs with DSS what the self-check then has judged: the harness must be shown to work before a signer of ours exists.
 */
public final class Maker {
    private Maker() {
    }

    public static void main(String[] arguments) throws IOException, GeneralSecurityException {
        if (arguments.length != 1) {
            System.err.println("usage: Maker JOBS   (lines of out= key= chain= algorithm=RSA|RSASSA_PSS|ECDSA hash= "
                    + "level=B|T|LT|LTA packaging= content=|digest= [tsa=] [trust=] [crl=], tab-separated)");
            System.exit(2);
        }
        for (Fields fields : Fields.read(Path.of(arguments[0]))) {
            make(fields);
        }
    }

    private static void make(Fields fields) throws IOException, GeneralSecurityException {
        SignatureAlgorithm algorithm = SignatureAlgorithm.getAlgorithm(
                EncryptionAlgorithm.valueOf(fields.one("algorithm")), DigestAlgorithm.forName(fields.one("hash")));
        List<CertificateToken> chain = new ArrayList<>();
        for (X509Certificate certificate : Pem.certificates(fields.paths("chain"))) {
            chain.add(new CertificateToken(certificate));
        }
        XAdESSignatureParameters parameters = new XAdESSignatureParameters();
        parameters.setSignatureLevel(SignatureLevel.valueOf("XAdES_BASELINE_" + fields.one("level")));
        parameters.setSignaturePackaging(SignaturePackaging.valueOf(fields.one("packaging")));
        parameters.setDigestAlgorithm(algorithm.getDigestAlgorithm());
        parameters.setSigningCertificate(chain.get(0));
        // After the certificate, which sets the algorithm of its own key.
        parameters.setEncryptionAlgorithm(algorithm.getEncryptionAlgorithm());
        parameters.setCertificateChain(chain);

        XAdESService service = new XAdESService(
                DssJudge.verifier(fields.paths("trust"), fields.paths("certificate"), fields.paths("crl")));
        if (fields.has("tsa")) {
            service.setTspSource(new OpensslTsa(fields.one("tsa")));
        }
        List<DSSDocument> documents = new ArrayList<>();
        for (GivenDocument document : fields.documents()) {
            if (!document.hasContent()) {
                parameters.setReferenceDigestAlgorithm(DigestAlgorithm.forName(document.algorithm()));
            }
            documents.add(DssJudge.dssDocument(document));
        }
        byte[] toSign = service.getDataToSign(documents, parameters).getBytes();
        SignatureValue value = new SignatureValue(algorithm, sign(algorithm, Pem.key(fields.path("key")), toSign));
        try (var out = Files.newOutputStream(fields.path("out"))) {
            service.signDocument(documents, parameters, value).writeTo(out);
        }
    }

    private static byte[] sign(SignatureAlgorithm algorithm, PrivateKey key, byte[] data)
            throws GeneralSecurityException {
        Signature signature = Signature.getInstance(algorithm.getJCEId(), DSSSecurityProvider.getSecurityProvider());
        signature.initSign(key);
        signature.update(data);
        return signature.sign();
    }

    /** Time stamps by {@code openssl ts}: a second implementation, and no socket. */
    private record OpensslTsa(String config) implements TSPSource {
        @Override
        public TimestampBinary getTimeStampResponse(DigestAlgorithm algorithm, byte[] digest) {
            try {
                Path query = Files.createTempFile("signet", ".tsq");
                Path token = Files.createTempFile("signet", ".tst");
                run("openssl", "ts", "-query", "-cert", "-" + algorithm.getName().toLowerCase(),
                        "-digest", HexFormat.of().formatHex(digest), "-out", query.toString());
                run("openssl", "ts", "-reply", "-config", config, "-section", "tsa", "-queryfile", query.toString(),
                        "-token_out", "-out", token.toString());
                byte[] bytes = Files.readAllBytes(token);
                Files.delete(query);
                Files.delete(token);
                return new TimestampBinary(bytes);
            } catch (IOException | InterruptedException trouble) {
                throw new DSSException("no time stamp", trouble);
            }
        }

        private static void run(String... command) throws IOException, InterruptedException {
            Process process = new ProcessBuilder(command).redirectErrorStream(true).start();
            String said = new String(process.getInputStream().readAllBytes());
            if (process.waitFor() != 0) {
                throw new IOException(String.join(" ", command) + ": " + said);
            }
        }
    }
}
