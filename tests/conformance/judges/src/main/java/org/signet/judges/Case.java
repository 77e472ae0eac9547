package org.signet.judges;

import java.nio.file.Path;
import java.time.Instant;
import java.util.Date;
import java.util.List;

/** One signature file to be judged by one judge. {@code time} is null for now. */
record Case(String id, Path signature, List<GivenDocument> documents, List<Path> trust, List<Path> certificates,
            List<Path> crls, Date time) {

    static Case of(Fields fields) {
        return new Case(fields.one("id"), fields.path("signature"), fields.documents(), fields.paths("trust"),
                fields.paths("certificate"), fields.paths("crl"),
                fields.has("time") ? Date.from(Instant.parse(fields.one("time"))) : null);
    }
}
