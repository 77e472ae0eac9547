package org.signet.judges;

import java.io.ByteArrayInputStream;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.GeneralSecurityException;
import java.security.KeyFactory;
import java.security.PrivateKey;
import java.security.cert.CertificateFactory;
import java.security.cert.X509CRL;
import java.security.cert.X509Certificate;
import java.security.spec.InvalidKeySpecException;
import java.security.spec.PKCS8EncodedKeySpec;
import java.util.ArrayList;
import java.util.Base64;
import java.util.List;

/** Certificates, CRLs and keys out of files, PEM or DER; a PEM file may hold several. */
final class Pem {
    private Pem() {
    }

    static List<X509Certificate> certificates(List<Path> files) throws IOException, GeneralSecurityException {
        List<X509Certificate> certificates = new ArrayList<>();
        for (Path file : files) {
            for (byte[] der : blocks(file, "CERTIFICATE")) {
                certificates.add((X509Certificate) factory().generateCertificate(new ByteArrayInputStream(der)));
            }
        }
        return certificates;
    }

    static List<X509CRL> crls(List<Path> files) throws IOException, GeneralSecurityException {
        List<X509CRL> crls = new ArrayList<>();
        for (Path file : files) {
            for (byte[] der : blocks(file, "X509 CRL")) {
                crls.add((X509CRL) factory().generateCRL(new ByteArrayInputStream(der)));
            }
        }
        return crls;
    }

    static PrivateKey key(Path file) throws IOException, GeneralSecurityException {
        PKCS8EncodedKeySpec encoded = new PKCS8EncodedKeySpec(blocks(file, "PRIVATE KEY").get(0));
        try {
            return KeyFactory.getInstance("RSA").generatePrivate(encoded);
        } catch (InvalidKeySpecException notRsa) {
            return KeyFactory.getInstance("EC").generatePrivate(encoded);
        }
    }

    private static CertificateFactory factory() throws GeneralSecurityException {
        return CertificateFactory.getInstance("X.509");
    }

    private static List<byte[]> blocks(Path file, String label) throws IOException {
        byte[] bytes = Files.readAllBytes(file);
        String text = new String(bytes, StandardCharsets.ISO_8859_1);
        String begin = "-----BEGIN " + label + "-----";
        String end = "-----END " + label + "-----";
        if (!text.contains("-----BEGIN ")) {
            return List.of(bytes);
        }
        List<byte[]> blocks = new ArrayList<>();
        for (int at = text.indexOf(begin); at >= 0; at = text.indexOf(begin, at + 1)) {
            blocks.add(Base64.getMimeDecoder().decode(text.substring(at + begin.length(), text.indexOf(end, at))));
        }
        if (blocks.isEmpty()) {
            throw new IOException("no " + label + " in " + file);
        }
        return blocks;
    }
}
