package org.signet.judges;

import com.sun.management.OperatingSystemMXBean;

import java.io.IOException;
import java.io.InputStream;
import java.io.PrintStream;
import java.lang.management.ManagementFactory;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;

/** Has DSS judge all cases each time it reads a byte, and writes the microseconds of CPU time that this process took for it. */
public final class Stopwatch {
    private Stopwatch() {
    }

    public static void main(String[] arguments) throws IOException {
        OperatingSystemMXBean machine = (OperatingSystemMXBean) ManagementFactory.getOperatingSystemMXBean();
        List<Case> cases = new ArrayList<>();
        for (Fields fields : Fields.read(Path.of(arguments[0]))) {
            cases.add(Case.of(fields));
        }
        try (InputStream ask = Files.newInputStream(Path.of(arguments[1]));
                PrintStream answer = new PrintStream(Files.newOutputStream(Path.of(arguments[2])), true, StandardCharsets.UTF_8)) {
            while (ask.read() >= 0) {
                long before = machine.getProcessCpuTime();
                answer.println(failure(cases).map(said -> "!" + said)
                        .orElseGet(() -> String.valueOf((machine.getProcessCpuTime() - before) / 1000)));
            }
        }
    }

    private static Optional<String> failure(List<Case> cases) {
        for (Case given : cases) {
            try {
                Row row = DssJudge.judge(given);
                if (!row.isAccepted()) {
                    return Optional.of(row.toString().replace('\n', ' '));
                }
            } catch (Exception trouble) {
                return Optional.of(trouble.toString().replace('\n', ' '));
            }
        }
        return Optional.empty();
    }
}
