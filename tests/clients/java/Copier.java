import java.io.FileOutputStream;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Properties;
import java.util.Random;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.ConsumerRecords;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.consumer.OffsetAndMetadata;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.serialization.StringDeserializer;
import org.apache.kafka.common.serialization.StringSerializer;

/**
 * The copier by Apache Kafka's own client; see copiers/copier.py. Arguments: bootstrap, start, journal. Whether it speaks
 * version 1 or 2 of transactions is said by the cluster's transaction.version.
 */
public final class Copier {
    private static final int PARTITIONS = 3;
    private static final double ABORTED_SHARE = 0.2;
    private static final long SEQUENCES = 10_000_000;

    private final List<TopicPartition> places = new ArrayList<>();
    private final Random chance;
    private final FileOutputStream journal;
    private final Map<TopicPartition, Long> at = new HashMap<>();
    private long sequence;

    private Copier(long start, String journal) throws IOException {
        this.chance = new Random(start);
        this.journal = new FileOutputStream(journal, true);
        this.sequence = start * SEQUENCES;
        for (int index = 0; index < PARTITIONS; index++) {
            places.add(new TopicPartition("in", index));
        }
    }

    public static void main(String[] arguments) {
        try {
            new Copier(Long.parseLong(arguments[1]), arguments[2]).copy(arguments[0]);
        } catch (Throwable error) {
            error.printStackTrace();
            Runtime.getRuntime().halt(1);
        }
    }

    /** In one call of the system. From the thread that copies and, of what is acknowledged, from the producer's. */
    private synchronized void write(List<String> lines) {
        long now = System.nanoTime(); // CLOCK_MONOTONIC
        StringBuilder text = new StringBuilder();
        for (String line : lines) {
            text.append(now).append(' ').append(line).append('\n');
        }
        try {
            journal.write(text.toString().getBytes(StandardCharsets.US_ASCII));
        } catch (IOException error) {
            error.printStackTrace();
            Runtime.getRuntime().halt(2);
        }
    }

    private void write(String line) {
        write(List.of(line));
    }

    private static Properties common(String bootstrap) {
        Properties properties = new Properties();
        properties.put("bootstrap.servers", bootstrap);
        properties.put("reconnect.backoff.max.ms", "200");
        properties.put("retry.backoff.ms", "50");
        properties.put("request.timeout.ms", "5000");
        return properties;
    }

    private static Properties reading(String bootstrap) {
        Properties reading = common(bootstrap);
        reading.put("group.id", "copier");
        reading.put("enable.auto.commit", "false");
        reading.put("auto.offset.reset", "earliest");
        reading.put("isolation.level", "read_committed");
        reading.put("fetch.max.wait.ms", "50");
        reading.put("max.poll.records", "40");
        reading.put("key.deserializer", StringDeserializer.class.getName());
        reading.put("value.deserializer", StringDeserializer.class.getName());
        return reading;
    }

    private static Properties writing(String bootstrap) {
        Properties writing = common(bootstrap);
        writing.put("transactional.id", "copier");
        writing.put("transaction.timeout.ms", "20000");
        writing.put("delivery.timeout.ms", "20000");
        writing.put("key.serializer", StringSerializer.class.getName());
        writing.put("value.serializer", StringSerializer.class.getName());
        return writing;
    }

    private void copy(String bootstrap) {
        try (KafkaProducer<String, String> producer = new KafkaProducer<>(writing(bootstrap));
                KafkaConsumer<String, String> consumer = new KafkaConsumer<>(reading(bootstrap))) {
            producer.initTransactions();
            write("init");
            consumer.assign(places);
            beginAtCommitted(consumer);
            while (true) {
                ConsumerRecords<String, String> found = consumer.poll(Duration.ofMillis(200));
                if (!found.isEmpty()) {
                    transact(producer, consumer, found);
                }
            }
        }
    }

    private void beginAtCommitted(KafkaConsumer<String, String> consumer) {
        write("asks");
        Map<TopicPartition, OffsetAndMetadata> committed = consumer.committed(new HashSet<>(places));
        List<String> lines = new ArrayList<>();
        for (TopicPartition place : places) {
            OffsetAndMetadata found = committed.get(place);
            at.put(place, found == null ? 0 : found.offset());
            consumer.seek(place, at.get(place));
            lines.add("fetched " + place.partition() + " " + at.get(place));
        }
        lines.add("seek");
        write(lines);
    }

    private void transact(
            KafkaProducer<String, String> producer,
            KafkaConsumer<String, String> consumer,
            ConsumerRecords<String, String> found) {
        boolean aborts = chance.nextDouble() < ABORTED_SHARE;
        long timestamp = System.currentTimeMillis();
        long first = sequence;
        List<String> lines = new ArrayList<>();
        lines.add("begin");
        for (ConsumerRecord<String, String> each : found) {
            String number = each.key().substring(each.key().indexOf(':') + 1);
            lines.add("read " + each.partition() + " " + each.offset() + " " + number);
            lines.add("send " + sequence++ + " " + each.partition() + " " + timestamp + " " + number);
        }
        write(lines);
        producer.beginTransaction();
        long next = first;
        for (ConsumerRecord<String, String> each : found) {
            long mine = next++;
            producer.send(
                new ProducerRecord<>("out", each.partition(), timestamp, "0:" + mine, each.value()),
                (where, error) -> {
                    if (error == null) {
                        write("acked " + mine + " " + where.offset());
                    }
                });
        }
        Map<TopicPartition, OffsetAndMetadata> offsets = new HashMap<>();
        List<String> ends = new ArrayList<>();
        for (TopicPartition place : places) {
            long end = consumer.position(place);
            offsets.put(place, new OffsetAndMetadata(end));
            if (end != at.get(place)) {
                ends.add("offsets " + place.partition() + " " + at.get(place) + " " + end);
            }
        }
        write(ends);
        producer.sendOffsetsToTransaction(offsets, consumer.groupMetadata());
        if (aborts) {
            producer.flush();
            write("aborting");
            producer.abortTransaction();
            write("aborted");
            beginAtCommitted(consumer);
        } else {
            write("committing");
            producer.commitTransaction();
            write("committed");
            offsets.forEach((place, offset) -> at.put(place, offset.offset()));
        }
    }
}
