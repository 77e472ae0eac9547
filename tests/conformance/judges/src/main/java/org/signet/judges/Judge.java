package org.signet.judges;

import java.io.IOException;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;

/** Judges every line of a file of cases and prints a row of JSON for each, in order. */
public final class Judge {
    private Judge() {
    }

    public static void main(String[] arguments) throws IOException {
        if (arguments.length != 1) {
            System.err.println("usage: Judge CASES   (lines of id= judge=dss|jdk signature= "
                    + "[content=NAME:FILE] [digest=NAME:ALG:HEX] [trust=] [certificate=] [crl=] [time=], tab-separated)");
            System.exit(2);
        }
        PrintStream out = new PrintStream(System.out, false, StandardCharsets.UTF_8);
        for (Fields fields : Fields.read(Path.of(arguments[0]))) {
            out.println(judge(fields));
            out.flush();
        }
    }

    private static Row judge(Fields fields) {
        String id = fields.oneOr("id", "?");
        String judge = fields.oneOr("judge", "?");
        try {
            Case given = Case.of(fields);
            return switch (judge) {
                case "dss" -> DssJudge.judge(given);
                case "jdk" -> JdkJudge.judge(given);
                default -> throw new IllegalArgumentException("no such judge");
            };
        } catch (NoSuchFileException missing) {
            return Row.of(id, judge).verdict(null, "ERROR", "no such file: " + missing.getFile());
        } catch (Exception | StackOverflowError trouble) {
            return Row.of(id, judge).verdict(null, "ERROR", trouble.toString());
        }
    }
}
