import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStreamReader;
import java.io.PrintWriter;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Base64;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Properties;
import java.util.concurrent.Future;
import java.util.concurrent.TimeUnit;

import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.admin.NewTopic;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.clients.producer.RecordMetadata;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.header.Header;
import org.apache.kafka.common.header.internals.RecordHeader;
import org.apache.kafka.common.serialization.ByteArrayDeserializer;
import org.apache.kafka.common.serialization.ByteArraySerializer;

/**
 * Apache Kafka's Java client as a program: every option is an argument.
 *
 * <pre>
 * create  --bootstrap H:P --topic T --partitions N
 * produce --bootstrap H:P --topic T --in FILE --out FILE [--set name=value]...
 * consume --bootstrap H:P --topic T --from P:offset:N,P:timestamp:MS,... --until P:N,... --out FILE [--set name=value]...
 * load    --bootstrap H:P --topic T --partitions N --records N --rate PER_SECOND --out FILE [--set name=value]...
 * serve   reads such commands from standard input, one per line, arguments separated by tabs; answers "OK" or "ERR why"
 * </pre>
 *
 * Records travel in the text form that harness/records.py describes. `consume` reads by assignment, without a group,
 * until each partition's position reaches its `until`. `load` writes `partition offset number` for each acknowledged
 * record, where the value of the record is its number.
 */
public final class ClientProgram {
    private static final Duration POLL = Duration.ofMillis(200);
    private static final long LIMIT_MS = 60_000;

    private ClientProgram() { }

    public static void main(String[] arguments) throws Exception {
        if (arguments.length != 1 || !arguments[0].equals("serve")) {
            run(List.of(arguments));
            return;
        }
        BufferedReader in = new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8));
        for (String line = in.readLine(); line != null; line = in.readLine()) {
            try {
                run(List.of(line.split("\t")));
                System.out.println("OK");
            } catch (Exception | Error e) {
                System.out.println("ERR " + String.valueOf(e).replace('\n', ' '));
            }
            System.out.flush();
        }
    }

    private static void run(List<String> words) throws Exception {
        Map<String, String> options = new HashMap<>();
        Properties properties = new Properties();
        for (int i = 1; i + 1 < words.size(); i += 2) {
            String name = words.get(i);
            String value = words.get(i + 1);
            if (name.equals("--set")) {
                int equals = value.indexOf('=');
                properties.put(value.substring(0, equals), value.substring(equals + 1));
            } else {
                options.put(name.substring(2), value);
            }
        }
        properties.put("bootstrap.servers", options.get("bootstrap"));
        switch (words.get(0)) {
            case "create" -> create(options, properties);
            case "produce" -> produce(options, properties);
            case "consume" -> consume(options, properties);
            case "load" -> load(options, properties);
            default -> throw new IllegalArgumentException("unknown command " + words.get(0));
        }
    }

    private static void create(Map<String, String> options, Properties properties) throws Exception {
        try (Admin admin = Admin.create(properties)) {
            NewTopic topic = new NewTopic(options.get("topic"), Integer.parseInt(options.get("partitions")), (short) 1);
            admin.createTopics(List.of(topic)).all().get(LIMIT_MS, TimeUnit.MILLISECONDS);
        }
    }

    private static KafkaProducer<byte[], byte[]> producer(Properties properties) {
        return new KafkaProducer<>(properties, new ByteArraySerializer(), new ByteArraySerializer());
    }

    private static void produce(Map<String, String> options, Properties properties) throws Exception {
        List<Future<RecordMetadata>> sent = new ArrayList<>();
        try (KafkaProducer<byte[], byte[]> producer = producer(properties)) {
            for (String line : Files.readAllLines(Path.of(options.get("in")))) {
                sent.add(producer.send(parse(options.get("topic"), line)));
            }
            producer.flush();
        }
        try (PrintWriter out = writer(options)) {
            for (Future<RecordMetadata> each : sent) {
                RecordMetadata where = each.get();
                out.println(where.partition() + "\t" + (where.hasOffset() ? where.offset() : -1));
            }
        }
    }

    private static void consume(Map<String, String> options, Properties properties) throws Exception {
        String topic = options.get("topic");
        Map<TopicPartition, Long> until = new HashMap<>();
        for (String each : options.get("until").split(",")) {
            String[] parts = each.split(":");
            until.put(new TopicPartition(topic, Integer.parseInt(parts[0])), Long.parseLong(parts[1]));
        }
        properties.put("enable.auto.commit", "false");
        properties.put("auto.offset.reset", "none");
        try (KafkaConsumer<byte[], byte[]> consumer =
                 new KafkaConsumer<>(properties, new ByteArrayDeserializer(), new ByteArrayDeserializer());
             PrintWriter out = writer(options)) {
            consumer.assign(until.keySet());
            seek(consumer, topic, options.get("from"));
            long deadline = System.currentTimeMillis() + LIMIT_MS;
            while (!until.entrySet().stream().allMatch(e -> consumer.position(e.getKey()) >= e.getValue())) {
                if (System.currentTimeMillis() > deadline) {
                    throw new IllegalStateException("not all records came");
                }
                for (ConsumerRecord<byte[], byte[]> record : consumer.poll(POLL)) {
                    out.println(format(record));
                }
            }
        }
    }

    private static void seek(KafkaConsumer<byte[], byte[]> consumer, String topic, String from) {
        for (String each : from.split(",")) {
            String[] parts = each.split(":");
            TopicPartition partition = new TopicPartition(topic, Integer.parseInt(parts[0]));
            long number = Long.parseLong(parts[2]);
            if (parts[1].equals("offset")) {
                if (number < 0) {
                    consumer.seekToBeginning(List.of(partition));
                } else {
                    consumer.seek(partition, number);
                }
                continue;
            }
            var found = consumer.offsetsForTimes(Map.of(partition, number)).get(partition);
            if (found == null) {
                consumer.seekToEnd(List.of(partition));
            } else {
                consumer.seek(partition, found.offset());
            }
        }
    }

    private static void load(Map<String, String> options, Properties properties) throws Exception {
        int records = Integer.parseInt(options.get("records"));
        int partitions = Integer.parseInt(options.get("partitions"));
        double rate = Double.parseDouble(options.get("rate"));
        List<Future<RecordMetadata>> sent = new ArrayList<>(records);
        try (KafkaProducer<byte[], byte[]> producer = producer(properties)) {
            long began = System.nanoTime();
            for (int i = 0; i < records; i++) {
                byte[] value = Integer.toString(i).getBytes(StandardCharsets.US_ASCII);
                sent.add(producer.send(new ProducerRecord<>(options.get("topic"), i % partitions, null, value)));
                long ahead = (long) (i / rate * 1e9) - (System.nanoTime() - began);
                if (ahead > 1_000_000) {
                    Thread.sleep(ahead / 1_000_000);
                }
            }
            producer.flush();
        }
        try (PrintWriter out = writer(options)) {
            for (int i = 0; i < records; i++) {
                try {
                    RecordMetadata where = sent.get(i).get();
                    out.println(where.partition() + "\t" + where.offset() + "\t" + i);
                } catch (java.util.concurrent.ExecutionException refused) {
                    System.err.println("record " + i + ": " + refused.getCause());
                }
            }
        }
    }

    private static ProducerRecord<byte[], byte[]> parse(String topic, String line) {
        String[] f = line.split("\t", -1);
        int partition = Integer.parseInt(f[0]);
        long timestamp = Long.parseLong(f[2]);
        List<Header> headers = new ArrayList<>();
        if (!f[5].isEmpty()) {
            for (String each : f[5].split(",")) {
                String[] pair = each.split(":", -1);
                headers.add(new RecordHeader(new String(bytes(pair[0]), StandardCharsets.UTF_8), bytes(pair[1])));
            }
        }
        return new ProducerRecord<>(topic, partition < 0 ? null : partition, timestamp < 0 ? null : timestamp,
            bytes(f[3]), bytes(f[4]), headers);
    }

    private static String format(ConsumerRecord<byte[], byte[]> r) {
        StringBuilder headers = new StringBuilder();
        for (Header each : r.headers()) {
            headers.append(headers.isEmpty() ? "" : ",")
                .append(text(each.key().getBytes(StandardCharsets.UTF_8))).append(':').append(text(each.value()));
        }
        return r.partition() + "\t" + r.offset() + "\t" + r.timestamp() + "\t" + text(r.key()) + "\t" + text(r.value())
            + "\t" + headers;
    }

    private static byte[] bytes(String text) {
        return text.equals("~") ? null : Base64.getDecoder().decode(text);
    }

    private static String text(byte[] data) {
        return data == null ? "~" : Base64.getEncoder().encodeToString(data);
    }

    private static PrintWriter writer(Map<String, String> options) throws IOException {
        return new PrintWriter(Files.newBufferedWriter(Path.of(options.get("out"))));
    }
}
