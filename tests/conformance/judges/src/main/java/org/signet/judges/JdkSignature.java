package org.signet.judges;

import org.w3c.dom.Element;
import org.w3c.dom.NodeList;

import java.io.ByteArrayInputStream;
import java.io.IOException;
import java.net.URLDecoder;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.security.GeneralSecurityException;
import java.security.Key;
import java.security.MessageDigest;
import java.security.cert.CertPathBuilder;
import java.security.cert.CertPathBuilderException;
import java.security.cert.CertStore;
import java.security.cert.CollectionCertStoreParameters;
import java.security.cert.PKIXBuilderParameters;
import java.security.cert.TrustAnchor;
import java.security.cert.X509CertSelector;
import java.security.cert.X509Certificate;
import java.util.ArrayList;
import java.util.Base64;
import java.util.HashSet;
import java.util.List;
import java.util.Set;
import javax.xml.crypto.AlgorithmMethod;
import javax.xml.crypto.Data;
import javax.xml.crypto.KeySelector;
import javax.xml.crypto.KeySelectorResult;
import javax.xml.crypto.MarshalException;
import javax.xml.crypto.OctetStreamData;
import javax.xml.crypto.URIDereferencer;
import javax.xml.crypto.URIReference;
import javax.xml.crypto.URIReferenceException;
import javax.xml.crypto.XMLCryptoContext;
import javax.xml.crypto.dsig.DigestMethod;
import javax.xml.crypto.dsig.Manifest;
import javax.xml.crypto.dsig.Reference;
import javax.xml.crypto.dsig.XMLObject;
import javax.xml.crypto.dsig.XMLSignature;
import javax.xml.crypto.dsig.XMLSignatureException;
import javax.xml.crypto.dsig.XMLSignatureFactory;
import javax.xml.crypto.dsig.dom.DOMValidateContext;
import javax.xml.crypto.dsig.keyinfo.KeyInfo;
import javax.xml.crypto.dsig.keyinfo.X509Data;

/** One ds:Signature element in the JDK's hands. */
final class JdkSignature {
    private final Element element;
    private final Case given;
    private final Set<GivenDocument> uncovered;
    private final List<String> faults = new ArrayList<>();
    private final List<Row> references = new ArrayList<>();
    private final XMLSignatureFactory factory = XMLSignatureFactory.getInstance("DOM");
    private DOMValidateContext context;

    JdkSignature(Element element, Case given) {
        this.element = element;
        this.given = given;
        this.uncovered = new HashSet<>(given.documents());
    }

    Row judge() throws IOException, GeneralSecurityException, MarshalException, XMLSignatureException {
        Signer signer = new Signer();
        context = new DOMValidateContext(signer, element);
        context.setProperty("org.jcp.xml.dsig.secureValidation", Boolean.TRUE);
        context.setURIDereferencer(new Dereferencer());
        XMLSignature signature = factory.unmarshalXMLSignature(context);

        // Not XMLSignature.validate: where only a digest is known a reference must be checked otherwise, and every
        // reference is wanted in the row.
        boolean valueValid = signature.getSignatureValue().validate(context);
        if (!valueValid) {
            faults.add("SignatureValue is not valid");
        }
        for (Object reference : signature.getSignedInfo().getReferences()) {
            check(signature, (Reference) reference);
        }
        for (GivenDocument document : uncovered) {
            faults.add("no reference covers the document " + document);
        }
        String binding = signingCertificateBinding(signer.certificate);
        if (binding.equals("differs")) {
            faults.add("SigningCertificate names another certificate");
        }
        String path = certificatePath(signer);
        if (path.startsWith("invalid")) {
            faults.add("certificate path: " + path);
        }
        boolean accepted = faults.isEmpty();
        return new Row().verdict(accepted, accepted ? "VALID" : "INVALID", String.join("; ", faults))
                .with("algorithm", signature.getSignedInfo().getSignatureMethod().getAlgorithm())
                .with("signature_value", valueValid).with("references", references)
                .with("signing_certificate", binding).with("path", path);
    }

    private void check(XMLSignature signature, Reference reference) throws XMLSignatureException, IOException {
        boolean valid;
        String how;
        GivenDocument document = isExternal(reference.getURI()) ? match(reference) : null;
        if (isExternal(reference.getURI()) && document == null) {
            valid = false;
            how = "no such document";
        } else if (document != null && !document.hasContent()) {
            valid = reference.getTransforms().isEmpty()
                    && digestName(reference).equals(document.algorithm())
                    && MessageDigest.isEqual(reference.getDigestValue(), document.digest());
            how = "compared";
        } else {
            valid = reference.validate(context);
            how = "digested";
        }
        references.add(new Row().with("uri", reference.getURI()).with("valid", valid).with("how", how));
        if (!valid) {
            faults.add("reference " + reference.getURI() + ": " + (how.startsWith("no ") ? how : "digest differs"));
            return;
        }
        uncovered.remove(document);
        coverEnveloped(reference);
        if (Manifest.TYPE.equals(reference.getType())) {
            for (Reference inner : manifestReferences(signature, reference.getURI())) {
                check(signature, inner);
            }
        }
    }

    private static boolean isExternal(String uri) {
        return uri == null || !uri.isEmpty() && !uri.startsWith("#");
    }

    private GivenDocument match(Reference reference) {
        String uri = reference.getURI();
        String name = uri == null ? null : URLDecoder.decode(uri.replace("+", "%2B"), StandardCharsets.UTF_8);
        for (GivenDocument document : given.documents()) {
            if (document.name() != null && document.name().equals(name)) {
                return document;
            }
        }
        List<GivenDocument> unnamed = given.documents().stream().filter(document -> document.name() == null).toList();
        return unnamed.size() == 1 ? unnamed.get(0) : null;
    }

    /** The hash (or content) inside a ds:Object: the element looked at is the one whose digest was just checked. */
    private void coverEnveloped(Reference reference) throws IOException {
        String uri = reference.getURI();
        if (uri == null || !uri.startsWith("#")) {
            return;
        }
        Element target = element.getOwnerDocument().getElementById(uri.substring(1));
        if (target == null || !target.getLocalName().equals("Object")
                || target.getElementsByTagName("*").getLength() > 0) {
            return;
        }
        byte[] enveloped;
        try {
            enveloped = Base64.getDecoder().decode(target.getTextContent().replaceAll("\\s", ""));
        } catch (IllegalArgumentException notBase64) {
            return;
        }
        for (GivenDocument document : given.documents()) {
            byte[] expected = document.hasContent() ? Files.readAllBytes(document.file()) : document.digest();
            if (MessageDigest.isEqual(expected, enveloped)) {
                uncovered.remove(document);
            }
        }
    }

    private static List<Reference> manifestReferences(XMLSignature signature, String uri) {
        List<Reference> references = new ArrayList<>();
        for (Object object : signature.getObjects()) {
            for (Object content : ((XMLObject) object).getContent()) {
                if (content instanceof Manifest manifest && uri.equals("#" + manifest.getId())) {
                    for (Object reference : manifest.getReferences()) {
                        references.add((Reference) reference);
                    }
                }
            }
        }
        return references;
    }

    private static String digestName(Reference reference) {
        return switch (reference.getDigestMethod().getAlgorithm()) {
            case DigestMethod.SHA1 -> "SHA1";
            case DigestMethod.SHA224 -> "SHA224";
            case DigestMethod.SHA256 -> "SHA256";
            case DigestMethod.SHA384 -> "SHA384";
            case DigestMethod.SHA512 -> "SHA512";
            case DigestMethod.SHA3_256 -> "SHA3-256";
            case DigestMethod.SHA3_384 -> "SHA3-384";
            case DigestMethod.SHA3_512 -> "SHA3-512";
            default -> "?";
        };
    }

    /** XAdES's SigningCertificate(V2): its first digest is that of the certificate whose key verified the signature. */
    private String signingCertificateBinding(X509Certificate certificate) throws GeneralSecurityException {
        for (String name : List.of("SigningCertificateV2", "SigningCertificate")) {
            NodeList found = element.getElementsByTagNameNS("http://uri.etsi.org/01903/v1.3.2#", name);
            if (found.getLength() == 0) {
                continue;
            }
            Element binding = (Element) found.item(0);
            String method = ((Element) binding.getElementsByTagNameNS(XMLSignature.XMLNS, "DigestMethod").item(0))
                    .getAttribute("Algorithm");
            String value = binding.getElementsByTagNameNS(XMLSignature.XMLNS, "DigestValue").item(0).getTextContent();
            String algorithm = switch (method) {
                case DigestMethod.SHA1 -> "SHA-1";
                case DigestMethod.SHA384 -> "SHA-384";
                case DigestMethod.SHA512 -> "SHA-512";
                default -> "SHA-256";
            };
            byte[] digest = MessageDigest.getInstance(algorithm).digest(certificate.getEncoded());
            return MessageDigest.isEqual(digest, Base64.getMimeDecoder().decode(value)) ? "matches" : "differs";
        }
        return "absent";
    }

    private String certificatePath(Signer signer) throws IOException, GeneralSecurityException {
        if (given.trust().isEmpty()) {
            return "not checked";
        }
        Set<TrustAnchor> anchors = new HashSet<>();
        for (X509Certificate anchor : Pem.certificates(given.trust())) {
            anchors.add(new TrustAnchor(anchor, null));
        }
        X509CertSelector target = new X509CertSelector();
        target.setCertificate(signer.certificate);
        PKIXBuilderParameters parameters = new PKIXBuilderParameters(anchors, target);
        List<Object> known = new ArrayList<>(signer.offered);
        known.addAll(Pem.certificates(given.certificates()));
        known.addAll(Pem.crls(given.crls()));
        parameters.addCertStore(CertStore.getInstance("Collection", new CollectionCertStoreParameters(known)));
        parameters.setRevocationEnabled(!given.crls().isEmpty());
        parameters.setDate(given.time());
        try {
            CertPathBuilder.getInstance("PKIX").build(parameters);
            return given.crls().isEmpty() ? "valid, revocation not checked" : "valid";
        } catch (CertPathBuilderException invalid) {
            Throwable cause = invalid.getCause() != null ? invalid.getCause() : invalid;
            return "invalid: " + cause.getMessage();
        }
    }

    /** Takes the one certificate of KeyInfo that issued none of the others. */
    private static final class Signer extends KeySelector {
        private X509Certificate certificate;
        private final List<X509Certificate> offered = new ArrayList<>();

        @Override
        public KeySelectorResult select(KeyInfo keyInfo, Purpose purpose, AlgorithmMethod method,
                                        XMLCryptoContext context) {
            for (Object structure : keyInfo == null ? List.of() : keyInfo.getContent()) {
                if (structure instanceof X509Data data) {
                    for (Object entry : data.getContent()) {
                        if (entry instanceof X509Certificate found) {
                            offered.add(found);
                        }
                    }
                }
            }
            for (X509Certificate candidate : offered) {
                if (offered.stream().noneMatch(other -> !other.equals(candidate)
                        && other.getIssuerX500Principal().equals(candidate.getSubjectX500Principal()))) {
                    certificate = candidate;
                    return () -> (Key) candidate.getPublicKey();
                }
            }
            throw new IllegalArgumentException("no signing certificate in KeyInfo");
        }
    }

    private final class Dereferencer implements URIDereferencer {
        @Override
        public Data dereference(URIReference reference, XMLCryptoContext unused) throws URIReferenceException {
            if (!(reference instanceof Reference wanted) || !isExternal(reference.getURI())) {
                return factory.getURIDereferencer().dereference(reference, unused);
            }
            GivenDocument document = match(wanted);
            if (document == null || !document.hasContent()) {
                throw new URIReferenceException("no such document: " + reference.getURI());
            }
            try {
                return new OctetStreamData(new ByteArrayInputStream(Files.readAllBytes(document.file())));
            } catch (IOException trouble) {
                throw new URIReferenceException(trouble);
            }
        }
    }
}
