package org.signet.judges;

import eu.europa.esig.dss.diagnostic.DiagnosticData;
import eu.europa.esig.dss.diagnostic.SignatureWrapper;
import eu.europa.esig.dss.diagnostic.jaxb.XmlDigestMatcher;
import eu.europa.esig.dss.enumerations.DigestAlgorithm;
import eu.europa.esig.dss.enumerations.Indication;
import eu.europa.esig.dss.jaxb.object.Message;
import eu.europa.esig.dss.model.DSSDocument;
import eu.europa.esig.dss.model.DigestDocument;
import eu.europa.esig.dss.model.InMemoryDocument;
import eu.europa.esig.dss.model.policy.ValidationPolicy;
import eu.europa.esig.dss.model.x509.CertificateToken;
import eu.europa.esig.dss.simplereport.SimpleReport;
import eu.europa.esig.dss.simplereport.jaxb.XmlTimestamp;
import eu.europa.esig.dss.spi.validation.CertificateVerifier;
import eu.europa.esig.dss.spi.validation.CommonCertificateVerifier;
import eu.europa.esig.dss.spi.x509.CommonCertificateSource;
import eu.europa.esig.dss.spi.x509.CommonTrustedCertificateSource;
import eu.europa.esig.dss.spi.x509.revocation.crl.ExternalResourcesCRLSource;
import eu.europa.esig.dss.validation.SignedDocumentValidator;
import eu.europa.esig.dss.validation.policy.ValidationPolicyLoader;
import eu.europa.esig.dss.validation.reports.Reports;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.GeneralSecurityException;
import java.security.cert.X509CRL;
import java.security.cert.X509Certificate;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.stream.Collectors;

/** EU DSS with its default policy as it comes: ETSI EN 319 102-1's answer. Nothing is fetched. */
final class DssJudge {
    private static final ValidationPolicy DEFAULT_POLICY =
            ValidationPolicyLoader.fromDefaultValidationPolicy().create();

    // Checking the same lists and issuers again for every case would cost more than the cases.
    private static final Map<List<List<Path>>, CertificateVerifier> VERIFIERS = new HashMap<>();

    private DssJudge() {
    }

    static Row judge(Case given) throws IOException, GeneralSecurityException {
        DSSDocument signature = new InMemoryDocument(Files.readAllBytes(given.signature()),
                given.signature().getFileName().toString());
        List<DSSDocument> documents = new ArrayList<>();
        for (GivenDocument document : given.documents()) {
            documents.add(dssDocument(document));
        }
        CertificateVerifier verifier = verifier(given.trust(), given.certificates(), given.crls());
        Row row = Row.of(given.id(), "dss");
        SignedDocumentValidator validator;
        Reports reports;
        try {
            validator = SignedDocumentValidator.fromDocument(signature);
            validator.setCertificateVerifier(verifier);
            validator.setDetachedContents(documents);
            validator.setValidationTime(given.time());
            validator.setEnableEtsiValidationReport(false);
            reports = validator.validateDocument(DEFAULT_POLICY);
        } catch (RuntimeException refused) {
            return row.verdict(false, "REFUSED", refused.toString());
        }
        return fill(row, reports);
    }

    /** With no AIA, OCSP or CRL source on line; what is given is all there is. */
    static CertificateVerifier verifier(List<Path> trust, List<Path> certificates, List<Path> crls)
            throws IOException, GeneralSecurityException {
        List<List<Path>> key = List.of(trust, certificates, crls);
        if (!VERIFIERS.containsKey(key)) {
            VERIFIERS.put(key, makeVerifier(trust, certificates, crls));
        }
        return VERIFIERS.get(key);
    }

    private static CertificateVerifier makeVerifier(List<Path> trust, List<Path> certificates, List<Path> crls)
            throws IOException, GeneralSecurityException {
        CommonTrustedCertificateSource anchors = new CommonTrustedCertificateSource();
        for (X509Certificate certificate : Pem.certificates(trust)) {
            anchors.addCertificate(new CertificateToken(certificate));
        }
        CommonCertificateSource adjunct = new CommonCertificateSource();
        for (X509Certificate certificate : Pem.certificates(certificates)) {
            adjunct.addCertificate(new CertificateToken(certificate));
        }
        List<DSSDocument> lists = new ArrayList<>();
        for (X509CRL crl : Pem.crls(crls)) {
            lists.add(new InMemoryDocument(crl.getEncoded()));
        }
        CommonCertificateVerifier verifier = new CommonCertificateVerifier(true);
        verifier.setTrustedCertSources(anchors);
        verifier.setAdjunctCertSources(adjunct);
        verifier.setCrlSource(new ExternalResourcesCRLSource(lists.toArray(new DSSDocument[0])));
        return verifier;
    }

    static DSSDocument dssDocument(GivenDocument document) throws IOException {
        return document.hasContent()
                ? new InMemoryDocument(Files.readAllBytes(document.file()), document.name())
                : new DigestDocument(DigestAlgorithm.forName(document.algorithm()), document.digest(), document.name());
    }

    private static Row fill(Row row, Reports reports) {
        SimpleReport simple = reports.getSimpleReport();
        List<Row> signatures = new ArrayList<>();
        Row worst = null;
        int worstRank = -1;
        for (String id : simple.getSignatureIdList()) {
            Row signature = new Row();
            describe(signature, id, simple, reports.getDiagnosticData());
            signatures.add(signature);
            int rank = rank(simple.getIndication(id), signature.isAccepted());
            if (rank > worstRank) {
                worstRank = rank;
                worst = signature;
            }
        }
        if (worst == null) {
            return row.verdict(false, "NO_SIGNATURE", "no signature found");
        }
        row.copy(worst);
        return signatures.size() > 1 ? row.with("signatures", signatures) : row;
    }

    private static int rank(Indication indication, boolean accepted) {
        return switch (indication) {
            case TOTAL_PASSED -> accepted ? 0 : 1;
            case INDETERMINATE -> 2;
            default -> 3;
        };
    }

    private static void describe(Row row, String id, SimpleReport simple, DiagnosticData diagnostic) {
        // DSS passes a signature whose archive time stamp does not even match: here each time stamp must pass too.
        boolean accepted = simple.getIndication(id) == Indication.TOTAL_PASSED;
        String reason = messages(simple.getAdESValidationErrors(id));
        List<Row> timestamps = new ArrayList<>();
        for (XmlTimestamp timestamp : simple.getSignatureTimestamps(id)) {
            String said = messages(simple.getAdESValidationErrors(timestamp.getId()));
            if (accepted && timestamp.getIndication() != Indication.PASSED) {
                accepted = false;
                reason = "a time stamp did not pass: " + said;
            }
            timestamps.add(new Row().with("type", diagnostic.getTimestampById(timestamp.getId()).getType())
                    .with("indication", timestamp.getIndication().name())
                    .with("sub_indication", name(timestamp.getSubIndication()))
                    .with("time", timestamp.getProductionTime().toInstant())
                    .with("reason", said));
        }
        row.verdict(accepted, simple.getIndication(id).name(), reason);
        row.with("sub_indication", name(simple.getSubIndication(id)));
        row.with("integrity", integrity(diagnostic.getSignatureById(id)));
        row.with("level", name(simple.getSignatureFormat(id)));
        row.with("signed_by", simple.getSignedBy(id));
        row.with("timestamps", timestamps);
        row.with("warnings", messages(simple.getAdESValidationWarnings(id)));
    }

    /** References and SignatureValue alone, apart from trust and time. */
    private static String integrity(SignatureWrapper signature) {
        boolean unknown = signature.getSigningCertificate() == null;
        for (XmlDigestMatcher matcher : signature.getDigestMatchers()) {
            if (matcher.isDataFound() && !matcher.isDataIntact()) {
                return "invalid";
            }
            unknown |= !matcher.isDataFound();
        }
        return unknown ? "unknown" : signature.isSignatureIntact() ? "valid" : "invalid";
    }

    private static String name(Enum<?> value) {
        return value == null ? null : value.name();
    }

    private static String messages(List<Message> messages) {
        return messages.stream().map(Message::getValue).collect(Collectors.joining(" "));
    }
}
