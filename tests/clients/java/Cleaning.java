import java.io.BufferedReader;
import java.io.File;
import java.io.InputStreamReader;
import java.lang.management.ManagementFactory;
import java.lang.management.ThreadMXBean;
import java.nio.charset.StandardCharsets;
import java.util.Optional;
import java.util.Properties;

import org.apache.kafka.common.utils.Time;
import org.apache.kafka.server.util.KafkaScheduler;
import org.apache.kafka.storage.internals.log.Cleaner;
import org.apache.kafka.storage.internals.log.LogConfig;
import org.apache.kafka.storage.internals.log.LogDirFailureChannel;
import org.apache.kafka.storage.internals.log.LogToClean;
import org.apache.kafka.storage.internals.log.ProducerStateManagerConfig;
import org.apache.kafka.storage.internals.log.SkimpyOffsetMap;
import org.apache.kafka.storage.internals.log.UnifiedLog;
import org.apache.kafka.storage.internals.utils.Throttler;
import org.apache.kafka.storage.log.metrics.BrokerTopicStats;

/**
 * Apache Kafka's own log cleaner over a partition's directory that was closed cleanly.
 *
 * A request is a line: directory, now, delete.retention.ms, segment.bytes, first dirty offset, first uncleanable offset,
 * bytes of the offset map, separated by tabs. An answer is a line: the offset up to which the log is clean, and the
 * processor time that the cleaning took, in nanoseconds.
 */
public final class Cleaning {
    private static final int BUFFER_SIZE = 1 << 20;

    private Cleaning() { }

    public static void main(String[] arguments) throws Exception {
        KafkaScheduler scheduler = new KafkaScheduler(1);
        scheduler.startup();
        BufferedReader in = new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8));
        for (String line = in.readLine(); line != null; line = in.readLine()) {
            String[] words = line.split("\t");
            System.out.println(clean(scheduler, new File(words[0]), Long.parseLong(words[1]), words[2], words[3],
                Long.parseLong(words[4]), Long.parseLong(words[5]), Integer.parseInt(words[6])));
        }
        scheduler.shutdown();
    }

    private static String clean(KafkaScheduler scheduler, File directory, long now, String deleteRetentionMs,
                                String segmentBytes, long firstDirty, long firstUncleanable, int mapBytes)
            throws Exception {
        Properties properties = new Properties();
        properties.put("cleanup.policy", "compact");
        properties.put("delete.retention.ms", deleteRetentionMs);
        properties.put("segment.bytes", segmentBytes);
        properties.put("file.delete.delay.ms", "0");
        try (BrokerTopicStats stats = new BrokerTopicStats();
             UnifiedLog log = UnifiedLog.create(directory, new LogConfig(properties), 0L, 0L, scheduler, stats, Time.SYSTEM,
                 900_000, new ProducerStateManagerConfig(Integer.MAX_VALUE, false), 600_000, new LogDirFailureChannel(1),
                 true, Optional.empty())) {
            log.updateHighWatermark(log.logEndOffset());
            Throttler throttler = new Throttler(Double.MAX_VALUE, 300, "cleaner", "entries", Time.SYSTEM);
            Cleaner cleaner = new Cleaner(0, new SkimpyOffsetMap(mapBytes), BUFFER_SIZE, 64 * BUFFER_SIZE, 0.9, throttler,
                Time.SYSTEM, partition -> { });
            ThreadMXBean threads = ManagementFactory.getThreadMXBean();
            long began = threads.getCurrentThreadCpuTime();
            long end = cleaner.doClean(new LogToClean(log, firstDirty, firstUncleanable, true), now).getKey();
            return end + "\t" + (threads.getCurrentThreadCpuTime() - began);
        }
    }
}
