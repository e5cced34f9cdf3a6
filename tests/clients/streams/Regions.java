import java.time.Duration;
import java.util.Properties;
import org.apache.kafka.common.serialization.Serdes;
import org.apache.kafka.streams.KafkaStreams;
import org.apache.kafka.streams.StreamsBuilder;
import org.apache.kafka.streams.errors.StreamsUncaughtExceptionHandler.StreamThreadExceptionResponse;
import org.apache.kafka.streams.kstream.Consumed;
import org.apache.kafka.streams.kstream.Grouped;
import org.apache.kafka.streams.kstream.KStream;
import org.apache.kafka.streams.kstream.KTable;
import org.apache.kafka.streams.kstream.Produced;
import org.apache.kafka.streams.kstream.TimeWindows;

/**
 * Counts views by the region of the user and windows of ten seconds, exactly once: a table join, a repartition and a
 * windowed count. Nothing is cached, so each view gives just one record, the next number of its region and window.
 * Arguments: bootstrap, directory for its state. It runs until it is killed.
 */
public final class Regions {
    private Regions() {}

    public static void main(String[] arguments) {
        Properties properties = new Properties();
        properties.put("application.id", "regions");
        properties.put("bootstrap.servers", arguments[0]);
        properties.put("state.dir", arguments[1]);
        properties.put("processing.guarantee", "exactly_once_v2");
        properties.put("statestore.cache.max.bytes", "0");
        properties.put("commit.interval.ms", "100");
        properties.put("max.task.idle.ms", "3000");
        properties.put("replication.factor", "1");
        properties.put(
                "dsl.store.suppliers.class", "org.apache.kafka.streams.state.BuiltInDslStoreSuppliers$InMemoryDslStoreSuppliers");
        properties.put("main.consumer.auto.offset.reset", "earliest");
        properties.put("main.consumer.session.timeout.ms", "3000");
        properties.put("main.consumer.heartbeat.interval.ms", "500");
        properties.put("main.consumer.max.poll.records", "50");
        properties.put("producer.transaction.timeout.ms", "10000");
        properties.put("request.timeout.ms", "5000");
        properties.put("reconnect.backoff.max.ms", "200");

        StreamsBuilder builder = new StreamsBuilder();
        KTable<String, String> users = builder.table("users", Consumed.with(Serdes.String(), Serdes.String()));
        KStream<String, String> views = builder.stream("views", Consumed.with(Serdes.String(), Serdes.String()));
        views.join(users, (page, region) -> region)
                .groupBy((user, region) -> region, Grouped.with(Serdes.String(), Serdes.String()))
                .windowedBy(TimeWindows.ofSizeAndGrace(Duration.ofSeconds(10), Duration.ofDays(1)))
                .count()
                .toStream((window, count) -> window.key() + "@" + window.window().start())
                .mapValues(count -> Long.toString(count))
                .to("counts", Produced.with(Serdes.String(), Serdes.String()));

        KafkaStreams streams = new KafkaStreams(builder.build(), properties);
        streams.setUncaughtExceptionHandler(error -> {
            error.printStackTrace();
            return StreamThreadExceptionResponse.REPLACE_THREAD;
        });
        streams.start();
    }
}
