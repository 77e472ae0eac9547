package org.signet.judges;

import java.nio.file.Path;
import java.util.HexFormat;

/** What was signed, as the verifier is given it: its content, or only a digest. {@code name} may be null: any name. */
record GivenDocument(String name, Path file, String algorithm, byte[] digest) {

    static GivenDocument ofContent(String name, Path file) {
        return new GivenDocument(name.isEmpty() ? null : name, file, null, null);
    }

    static GivenDocument ofDigest(String name, String algorithm, String hex) {
        return new GivenDocument(name.isEmpty() ? null : name, null, algorithm, HexFormat.of().parseHex(hex));
    }

    boolean hasContent() {
        return file != null;
    }

    @Override
    public String toString() {
        return name != null ? name : hasContent() ? file.getFileName().toString() : algorithm;
    }
}
