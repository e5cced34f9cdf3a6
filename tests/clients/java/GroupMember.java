import java.io.FileWriter;
import java.io.PrintWriter;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.Collection;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Properties;
import java.util.TreeSet;
import java.util.stream.Collectors;

import org.apache.kafka.clients.consumer.ConsumerRebalanceListener;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.ConsumerRecords;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.consumer.OffsetAndMetadata;
import org.apache.kafka.common.KafkaException;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.errors.WakeupException;
import org.apache.kafka.common.serialization.ByteArrayDeserializer;

/**
 * One member of a consumer group by Apache Kafka's own client.
 *
 * <p>Arguments: BOOTSTRAP TOPIC GROUP OUT SESSION_MS [name=value]...; output as in members/member.py.
 */
public final class GroupMember {
    private static volatile boolean stopping;
    private static PrintWriter out;

    private GroupMember() { }

    private static void say(String line) {
        synchronized (GroupMember.class) {
            out.println(line);
            out.flush();
        }
    }

    public static void main(String[] arguments) throws Exception {
        String topic = arguments[1];
        int session = Integer.parseInt(arguments[4]);
        out = new PrintWriter(new FileWriter(arguments[3], StandardCharsets.UTF_8, true));
        Properties settings = new Properties();
        settings.put("bootstrap.servers", arguments[0]);
        settings.put("group.id", arguments[2]);
        settings.put("session.timeout.ms", String.valueOf(session));
        settings.put("heartbeat.interval.ms", String.valueOf(session / 5));
        settings.put("enable.auto.commit", "false");
        settings.put("auto.offset.reset", "earliest");
        settings.put("fetch.max.wait.ms", "50");
        settings.put("reconnect.backoff.max.ms", "200");
        settings.put("max.poll.records", "100");
        // A client whose only broker is away forgets its metadata to begin anew, and a classic member takes that for a
        // change of its topics and joins again. The tests ask what the broker makes of its own death.
        settings.put("metadata.recovery.strategy", "none");
        for (int i = 5; i < arguments.length; i++) {
            int equals = arguments[i].indexOf('=');
            settings.put(arguments[i].substring(0, equals), arguments[i].substring(equals + 1));
        }
        boolean isNew = "consumer".equals(settings.get("group.protocol"));
        if (isNew) {
            // The broker says them.
            settings.remove("session.timeout.ms");
            settings.remove("heartbeat.interval.ms");
        }
        KafkaConsumer<byte[], byte[]> consumer =
            new KafkaConsumer<>(settings, new ByteArrayDeserializer(), new ByteArrayDeserializer());
        Thread main = Thread.currentThread();
        Runtime.getRuntime().addShutdownHook(new Thread(() -> {
            stopping = true;
            consumer.wakeup();
            try {
                main.join();
            } catch (InterruptedException e) {
                Thread.currentThread().interrupt();
            }
        }));
        TreeSet<Integer> mine = new TreeSet<>();
        consumer.subscribe(List.of(topic), new ConsumerRebalanceListener() {
            @Override
            public void onPartitionsRevoked(Collection<TopicPartition> lost) {
                lost.forEach(each -> mine.remove(each.partition()));
                if (isNew) { // nothing may be gained afterwards
                    sayMine();
                }
            }

            @Override
            public void onPartitionsAssigned(Collection<TopicPartition> gained) {
                gained.forEach(each -> mine.add(each.partition()));
                sayMine();
            }

            private void sayMine() {
                say("A " + mine.stream().map(String::valueOf).collect(Collectors.joining(",")));
            }
        });
        try {
            while (!stopping) {
                ConsumerRecords<byte[], byte[]> records = consumer.poll(Duration.ofMillis(100));
                Map<TopicPartition, OffsetAndMetadata> ends = new HashMap<>();
                for (ConsumerRecord<byte[], byte[]> record : records) {
                    say("R " + record.partition() + " " + record.offset() + " "
                        + new String(record.value(), StandardCharsets.UTF_8));
                    ends.put(new TopicPartition(topic, record.partition()), new OffsetAndMetadata(record.offset() + 1));
                }
                if (ends.isEmpty()) {
                    continue;
                }
                try {
                    consumer.commitSync(ends);
                } catch (WakeupException e) {
                    throw e;
                } catch (KafkaException e) {
                    continue;
                }
                ends.forEach((place, end) -> say("C " + place.partition() + " " + end.offset()));
            }
        } catch (WakeupException e) {
            // It is to leave.
        } finally {
            consumer.close();
        }
    }
}
