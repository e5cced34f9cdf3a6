import java.io.BufferedReader;
import java.io.ByteArrayInputStream;
import java.io.ByteArrayOutputStream;
import java.io.InputStream;
import java.io.InputStreamReader;
import java.io.PrintStream;
import java.lang.reflect.InvocationTargetException;
import java.nio.charset.StandardCharsets;
import java.util.Base64;
import java.util.Queue;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ConcurrentLinkedQueue;
import java.util.concurrent.TimeUnit;

import org.apache.kafka.common.utils.Exit;

/**
 * Runs many of Apache Kafka's commands in one virtual machine, because each start of one takes a second.
 *
 * A request is a line: class, standard input, words, each in Base64, separated by tabs. An answer is a line: exit status,
 * standard output, standard error, the latter two in Base64. A command that calls exit never comes back from there: its
 * thread waits for ever, and dies with the process. Its shutdown hooks run before the answer.
 */
public final class Commands {
    private static final long LIMIT_SECONDS = 90;
    private static final PrintStream ANSWERS = System.out;
    private static final Queue<Runnable> HOOKS = new ConcurrentLinkedQueue<>();

    private Commands() { }

    public static void main(String[] arguments) throws Exception {
        Exit.setShutdownHookAdder((name, runnable) -> HOOKS.add(runnable));
        BufferedReader in = new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8));
        for (String line = in.readLine(); line != null; line = in.readLine()) {
            String[] fields = line.split("\t", -1);
            String[] words = new String[fields.length - 2];
            for (int at = 0; at < words.length; at++)
                words[at] = text(fields[at + 2]);
            run(text(fields[0]), Base64.getDecoder().decode(fields[1]), words);
        }
        Runtime.getRuntime().halt(0);
    }

    private static void run(String name, byte[] stdin, String[] words) throws Exception {
        ByteArrayOutputStream out = new ByteArrayOutputStream();
        ByteArrayOutputStream err = new ByteArrayOutputStream();
        CompletableFuture<Integer> status = new CompletableFuture<>();
        Exit.Procedure end = (code, message) -> {
            status.complete(code);
            while (true) {
                try {
                    Thread.sleep(Long.MAX_VALUE);
                } catch (InterruptedException again) {
                    continue;
                }
            }
        };
        Exit.setExitProcedure(end);
        Exit.setHaltProcedure(end);
        InputStream oldIn = System.in;
        System.setIn(new ByteArrayInputStream(stdin));
        System.setOut(new PrintStream(out, true, StandardCharsets.UTF_8));
        System.setErr(new PrintStream(err, true, StandardCharsets.UTF_8));
        Thread thread = new Thread(() -> {
            try {
                Class.forName(name).getMethod("main", String[].class).invoke(null, (Object) words);
                status.complete(0);
            } catch (InvocationTargetException failed) {
                System.err.print("Exception in thread \"main\" ");
                failed.getCause().printStackTrace();
                status.complete(1);
            } catch (ReflectiveOperationException wrong) {
                wrong.printStackTrace();
                status.complete(-1);
            }
        }, "main");
        thread.setDaemon(true);
        thread.start();
        int code;
        try {
            code = status.get(LIMIT_SECONDS, TimeUnit.SECONDS);
        } catch (java.util.concurrent.TimeoutException late) {
            code = -2;
        }
        runHooks();
        System.out.flush();
        System.err.flush();
        System.setIn(oldIn);
        ANSWERS.println(code + "\t" + base64(out) + "\t" + base64(err));
        ANSWERS.flush();
    }

    /** What a command leaves to the end of its process, such as to send what its producer still holds. */
    private static void runHooks() throws InterruptedException {
        Thread thread = new Thread(() -> {
            for (Runnable hook = HOOKS.poll(); hook != null; hook = HOOKS.poll())
                hook.run();
        }, "hooks");
        thread.setDaemon(true);
        thread.start();
        thread.join(TimeUnit.SECONDS.toMillis(LIMIT_SECONDS));
    }

    private static String base64(ByteArrayOutputStream bytes) {
        return Base64.getEncoder().encodeToString(bytes.toByteArray());
    }

    private static String text(String base64) {
        return new String(Base64.getDecoder().decode(base64), StandardCharsets.UTF_8);
    }
}
