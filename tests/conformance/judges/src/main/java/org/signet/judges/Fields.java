package org.signet.judges;

import java.io.IOException;
import java.net.URLDecoder;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/**
 * One line of the input: {@code key=value} separated by tabs, a key may repeat. Values are percent-encoded, so that any
 * file name and any document name can stand in one line; parts of a value are separated by ':' before decoding.
 */
final class Fields {
    private final Map<String, List<String>> values = new LinkedHashMap<>();

    static List<Fields> read(Path file) throws IOException {
        List<Fields> lines = new ArrayList<>();
        for (String line : Files.readAllLines(file, StandardCharsets.UTF_8)) {
            if (!line.isBlank()) {
                lines.add(new Fields(line));
            }
        }
        return lines;
    }

    private Fields(String line) {
        for (String field : line.split("\t")) {
            int equals = field.indexOf('=');
            if (equals < 1) {
                throw new IllegalArgumentException("not key=value: " + field);
            }
            values.computeIfAbsent(field.substring(0, equals), key -> new ArrayList<>())
                    .add(field.substring(equals + 1));
        }
    }

    boolean has(String key) {
        return values.containsKey(key);
    }

    String one(String key) {
        List<String> all = values.getOrDefault(key, List.of());
        if (all.size() != 1) {
            throw new IllegalArgumentException(key + " is needed exactly once");
        }
        return decode(all.get(0));
    }

    String oneOr(String key, String otherwise) {
        return has(key) ? one(key) : otherwise;
    }

    Path path(String key) {
        return Path.of(one(key));
    }

    List<Path> paths(String key) {
        return values.getOrDefault(key, List.of()).stream().map(Fields::decode).map(Path::of).toList();
    }

    List<GivenDocument> documents() {
        List<GivenDocument> documents = new ArrayList<>();
        for (String value : values.getOrDefault("content", List.of())) {
            String[] parts = parts(value, 2);
            documents.add(GivenDocument.ofContent(parts[0], Path.of(parts[1])));
        }
        for (String value : values.getOrDefault("digest", List.of())) {
            String[] parts = parts(value, 3);
            documents.add(GivenDocument.ofDigest(parts[0], parts[1], parts[2]));
        }
        return documents;
    }

    private static String[] parts(String value, int count) {
        String[] parts = value.split(":", -1);
        if (parts.length != count) {
            throw new IllegalArgumentException("expected " + count + " parts: " + value);
        }
        for (int i = 0; i < count; i++) {
            parts[i] = decode(parts[i]);
        }
        return parts;
    }

    private static String decode(String value) {
        // URLDecoder reads '+' as a space, as HTML forms do; here it is only a plus.
        return URLDecoder.decode(value.replace("+", "%2B"), StandardCharsets.UTF_8);
    }
}
