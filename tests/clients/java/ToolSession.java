import java.io.PrintStream;
import java.lang.reflect.InvocationTargetException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;

import org.apache.kafka.common.utils.Exit;

/**
 * Apache Kafka's own command-line tools, many in one JVM: starting one for each would take most of the time.
 *
 * Argument: a file of commands, one a line: a main class and its arguments, separated by single spaces. After each the
 * status that it would have ended with is printed. Standard output and error come in the order in which they were written.
 */
public final class ToolSession {

    /** Takes the place of the end of the process. */
    private static final class Ended extends Error {
        private static final long serialVersionUID = 1L;
        private final int status;

        private Ended(int status) {
            this.status = status;
        }
    }

    private ToolSession() { }

    public static void main(String[] arguments) throws Exception {
        PrintStream output = new PrintStream(System.out, true, "UTF-8");
        System.setOut(output);
        System.setErr(output);
        Exit.setExitProcedure((status, message) -> {
            throw new Ended(status);
        });
        for (String line : Files.readAllLines(Path.of(arguments[0]))) {
            List<String> words = new ArrayList<>(List.of(line.split(" ")));
            output.println("$ " + line);
            String main = words.remove(0);
            int status = 0;
            try {
                Class.forName(main).getMethod("main", String[].class)
                    .invoke(null, (Object) words.toArray(new String[0]));
            } catch (InvocationTargetException error) {
                if (!(error.getCause() instanceof Ended)) {
                    throw error;
                }
                status = ((Ended) error.getCause()).status;
            }
            output.println("exit " + status);
        }
        Runtime.getRuntime().halt(0);
    }
}
