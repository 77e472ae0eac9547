package org.signet.judges;

import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/** A verdict, printed as one line of JSON. */
final class Row {
    private final Map<String, Object> fields = new LinkedHashMap<>();

    static Row of(String id, String judge) {
        return new Row().with("id", id).with("judge", judge);
    }

    /** {@code accepted} is null where nothing was judged: a harness that fails must not look like a rejection. */
    Row verdict(Boolean accepted, String indication, String reason) {
        return with("accepted", accepted).with("indication", indication).with("reason", reason);
    }

    Row with(String key, Object value) {
        fields.put(key, value);
        return this;
    }

    boolean isAccepted() {
        return Boolean.TRUE.equals(fields.get("accepted"));
    }

    void copy(Row other) {
        fields.putAll(other.fields);
    }

    @Override
    public String toString() {
        StringBuilder out = new StringBuilder();
        write(out, this);
        return out.toString();
    }

    private static void write(StringBuilder out, Object value) {
        if (value == null || value instanceof Boolean || value instanceof Number) {
            out.append(value);
        } else if (value instanceof Row row) {
            String separator = "{";
            for (Map.Entry<String, Object> field : row.fields.entrySet()) {
                out.append(separator);
                write(out, field.getKey());
                out.append(':');
                write(out, field.getValue());
                separator = ",";
            }
            out.append('}');
        } else if (value instanceof List<?> list) {
            String separator = "";
            out.append('[');
            for (Object element : list) {
                out.append(separator);
                write(out, element);
                separator = ",";
            }
            out.append(']');
        } else {
            quote(out, value.toString());
        }
    }

    private static void quote(StringBuilder out, String text) {
        out.append('"');
        for (char c : text.toCharArray()) {
            if (c == '"' || c == '\\') {
                out.append('\\').append(c);
            } else if (c < 0x20 || c > 0x7e) {
                out.append(String.format("\\u%04x", (int) c));
            } else {
                out.append(c);
            }
        }
        out.append('"');
    }
}
