package org.signet.judges;

import org.w3c.dom.Attr;
import org.w3c.dom.Document;
import org.w3c.dom.Element;
import org.w3c.dom.NamedNodeMap;
import org.w3c.dom.Node;
import org.w3c.dom.NodeList;
import org.xml.sax.ErrorHandler;
import org.xml.sax.SAXException;
import org.xml.sax.SAXParseException;

import java.io.ByteArrayInputStream;
import java.io.IOException;
import java.nio.file.Files;
import java.security.GeneralSecurityException;
import java.security.Security;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Set;
import javax.xml.XMLConstants;
import javax.xml.crypto.MarshalException;
import javax.xml.crypto.dsig.XMLSignature;
import javax.xml.crypto.dsig.XMLSignatureException;
import javax.xml.parsers.DocumentBuilder;
import javax.xml.parsers.DocumentBuilderFactory;
import javax.xml.parsers.ParserConfigurationException;

/**
 * The JDK's own XML signatures, secure validation on: references, SignatureValue, certificate path; no XAdES but the
 * certificate's digest. A document that is given must be covered by a reference, and a reference to something outside
 * must have its document.
 */
final class JdkJudge {
    static {
        // Secure validation stays as it is, but for how many references it looks at: thirty.
        String policy = "jdk.xml.dsig.secureValidationPolicy";
        Security.setProperty(policy, Security.getProperty(policy).replaceFirst("maxReferences [0-9]+", "maxReferences 200"));
    }

    private JdkJudge() {
    }

    static Row judge(Case given) throws IOException, GeneralSecurityException, ParserConfigurationException {
        byte[] xml = Files.readAllBytes(given.signature());
        Row row = Row.of(given.id(), "jdk");
        try {
            Document document = parse(xml);
            registerIds(document);
            List<Row> signatures = new ArrayList<>();
            Row verdict = null;
            for (Element element : outerSignatures(document)) {
                Row signature = new JdkSignature(element, given).judge();
                signatures.add(signature);
                if (verdict == null || !signature.isAccepted()) {
                    verdict = signature;
                }
            }
            if (verdict == null) {
                return row.verdict(false, "NO_SIGNATURE", "no signature found");
            }
            row.copy(verdict);
            return signatures.size() > 1 ? row.with("signatures", signatures) : row;
        } catch (SAXException | MarshalException | XMLSignatureException | IllegalArgumentException refused) {
            return row.verdict(false, "REFUSED", refused.toString());
        }
    }

    private static Document parse(byte[] xml) throws ParserConfigurationException, SAXException, IOException {
        // The JDK's own, whatever other parser the dependencies of DSS put on the class path.
        DocumentBuilderFactory factory = DocumentBuilderFactory.newDefaultInstance();
        factory.setNamespaceAware(true);
        factory.setFeature(XMLConstants.FEATURE_SECURE_PROCESSING, true);
        factory.setFeature("http://apache.org/xml/features/disallow-doctype-decl", true);
        DocumentBuilder builder = factory.newDocumentBuilder();
        builder.setErrorHandler(new Throwing());
        return builder.parse(new ByteArrayInputStream(xml));
    }

    /** Without a schema no attribute is an ID, and "#x" would resolve to nothing. */
    private static void registerIds(Document document) {
        Set<String> seen = new HashSet<>();
        NodeList elements = document.getElementsByTagNameNS("*", "*");
        for (int i = 0; i < elements.getLength(); i++) {
            Element element = (Element) elements.item(i);
            NamedNodeMap attributes = element.getAttributes();
            for (int j = 0; j < attributes.getLength(); j++) {
                Attr attribute = (Attr) attributes.item(j);
                if (attribute.getName().equals("Id") || attribute.getName().equals("xml:id")) {
                    if (!seen.add(attribute.getValue())) {
                        throw new IllegalArgumentException("two elements have the Id " + attribute.getValue());
                    }
                    element.setIdAttributeNode(attribute, true);
                }
            }
        }
    }

    /** A countersignature stands inside a signature and is not judged on its own. */
    private static List<Element> outerSignatures(Document document) {
        List<Element> outer = new ArrayList<>();
        NodeList all = document.getElementsByTagNameNS(XMLSignature.XMLNS, "Signature");
        for (int i = 0; i < all.getLength(); i++) {
            Element inner = (Element) all.item(i);
            if (outer.stream().noneMatch(signature -> contains(signature, inner))) {
                outer.add(inner);
            }
        }
        return outer;
    }

    private static boolean contains(Element ancestor, Node node) {
        return (ancestor.compareDocumentPosition(node) & Node.DOCUMENT_POSITION_CONTAINED_BY) != 0;
    }

    /** The parser's own handler prints to stderr. */
    private static final class Throwing implements ErrorHandler {
        @Override
        public void warning(SAXParseException problem) {
            // A warning is no reason to refuse.
        }

        @Override
        public void error(SAXParseException problem) throws SAXException {
            throw problem;
        }

        @Override
        public void fatalError(SAXParseException problem) throws SAXException {
            throw problem;
        }
    }
}
