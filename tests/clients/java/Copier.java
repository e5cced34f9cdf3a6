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
 * The copier by Apache Kafka's own client; see copiers/copier.py. Arguments: bootstrap, seed. Whether it speaks version 1
 * or 2 of transactions is said by the cluster's transaction.version.
 */
public final class Copier {
    private static final int PARTITIONS = 3;
    private static final double ABORTED_SHARE = 0.2;

    private Copier() {}

    private static Properties common(String bootstrap) {
        Properties properties = new Properties();
        properties.put("bootstrap.servers", bootstrap);
        properties.put("reconnect.backoff.max.ms", "200");
        properties.put("retry.backoff.ms", "50");
        properties.put("request.timeout.ms", "5000");
        return properties;
    }

    public static void main(String[] arguments) {
        try {
            copy(arguments[0], new Random(Long.parseLong(arguments[1])));
        } catch (Throwable error) {
            error.printStackTrace();
            Runtime.getRuntime().halt(1);
        }
    }

    private static void copy(String bootstrap, Random chance) {
        Properties reading = common(bootstrap);
        reading.put("group.id", "copier");
        reading.put("enable.auto.commit", "false");
        reading.put("auto.offset.reset", "earliest");
        reading.put("isolation.level", "read_committed");
        reading.put("fetch.max.wait.ms", "50");
        reading.put("max.poll.records", "40");
        reading.put("key.deserializer", StringDeserializer.class.getName());
        reading.put("value.deserializer", StringDeserializer.class.getName());
        Properties writing = common(bootstrap);
        writing.put("transactional.id", "copier");
        writing.put("transaction.timeout.ms", "20000");
        writing.put("delivery.timeout.ms", "20000");
        writing.put("key.serializer", StringSerializer.class.getName());
        writing.put("value.serializer", StringSerializer.class.getName());
        List<TopicPartition> places = new ArrayList<>();
        for (int index = 0; index < PARTITIONS; index++) {
            places.add(new TopicPartition("in", index));
        }
        try (KafkaProducer<String, String> producer = new KafkaProducer<>(writing);
                KafkaConsumer<String, String> consumer = new KafkaConsumer<>(reading)) {
            producer.initTransactions();
            consumer.assign(places);
            while (true) {
                ConsumerRecords<String, String> found = consumer.poll(Duration.ofMillis(200));
                if (found.isEmpty()) {
                    continue;
                }
                boolean aborts = chance.nextDouble() < ABORTED_SHARE;
                producer.beginTransaction();
                for (ConsumerRecord<String, String> each : found) {
                    String value = (aborts ? "x" : "") + each.value();
                    producer.send(new ProducerRecord<>("out", each.partition(), null, value));
                }
                Map<TopicPartition, OffsetAndMetadata> offsets = new HashMap<>();
                for (TopicPartition place : places) {
                    offsets.put(place, new OffsetAndMetadata(consumer.position(place)));
                }
                producer.sendOffsetsToTransaction(offsets, consumer.groupMetadata());
                if (aborts) {
                    producer.flush();
                    producer.abortTransaction();
                    Map<TopicPartition, OffsetAndMetadata> committed = consumer.committed(new HashSet<>(places));
                    for (TopicPartition place : places) {
                        OffsetAndMetadata at = committed.get(place);
                        consumer.seek(place, at == null ? 0 : at.offset());
                    }
                } else {
                    producer.commitTransaction();
                }
            }
        }
    }
}
