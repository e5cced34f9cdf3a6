'use strict'
// kafkajs as a program. Each line on standard input is a JSON command, each line on standard output its answer:
//   {"op": "codecs"}
//   {"op": "create",  "bootstrap", "topic", "partitions"}
//   {"op": "produce", "bootstrap", "topic", "codec", "acks", "idempotent", "in": FILE, "out": FILE}
//   {"op": "consume", "bootstrap", "topic", "from": {partition: ["offset" | "timestamp", n]}, "until": {partition: n}, "out": FILE}
// Records travel in the text form that harness/records.py describes.
//
// kafkajs has no public way to read without a group. `consume` therefore uses its cluster and broker classes, which
// are what its consumer fetches and decodes with.

const fs = require('fs')
const path = require('path')
const readline = require('readline')
const modules = process.env.NODE_MODULES
const load = name => require(modules ? path.join(modules, name) : name)

process.env.KAFKAJS_NO_PARTITIONER_WARNING = '1'
const { Kafka, CompressionTypes, CompressionCodecs, logLevel } = load('kafkajs')

const codecs = { none: CompressionTypes.None, gzip: CompressionTypes.GZIP }
const missing = {}
const withCodec = (name, type, make) => {
  try {
    CompressionCodecs[type] = make()
    codecs[name] = type
  } catch (error) {
    missing[name] = error.message.split('\n')[0]
  }
}
withCodec('snappy', CompressionTypes.Snappy, () => load('kafkajs-snappy'))
withCodec('lz4', CompressionTypes.LZ4, () => new (load('kafkajs-lz4'))().codec)
withCodec('zstd', CompressionTypes.ZSTD, () => {
  const { ZstdCodec } = load('zstd-codec')
  const binding = new Promise(resolve => ZstdCodec.run(resolve))
  return () => ({
    compress: async encoder => Buffer.from(new (await binding).Simple().compress(encoder.buffer)),
    // The simple form wants the content size in the frame, which librdkafka and Java leave out.
    decompress: async buffer => Buffer.from(new (await binding).Streaming().decompress(buffer)),
  })
})

const bytes = text => (text === '~' ? null : Buffer.from(text, 'base64'))
const text = data => (data === null || data === undefined ? '~' : Buffer.from(data).toString('base64'))

const parse = line => {
  const [partition, , timestamp, key, value, headerText] = line.split('\t')
  const headers = {}
  for (const pair of headerText ? headerText.split(',') : []) {
    const [name, content] = pair.split(':')
    const key = bytes(name).toString()
    headers[key] = [...(headers[key] || []), bytes(content)]
  }
  const message = { key: bytes(key), value: bytes(value), headers }
  if (Number(partition) >= 0) message.partition = Number(partition)
  if (Number(timestamp) >= 0) message.timestamp = timestamp
  return message
}

const format = (partition, m) => {
  const headers = Object.entries(m.headers).flatMap(([name, contents]) =>
    (Array.isArray(contents) ? contents : [contents]).map(c => `${text(Buffer.from(name))}:${text(c)}`))
  return [partition, m.offset, m.timestamp, text(m.key), text(m.value), headers.join(',')].join('\t')
}

const connect = bootstrap =>
  new Kafka({ clientId: 'kafkajs-test', brokers: [bootstrap], logLevel: logLevel.NOTHING, retry: { retries: 5 } })

const operations = {
  codecs: async () => ({ codecs: Object.keys(codecs), missing }),

  create: async ({ bootstrap, topic, partitions }) => {
    const admin = connect(bootstrap).admin()
    await admin.connect()
    try {
      await admin.createTopics({ topics: [{ topic, numPartitions: partitions, replicationFactor: 1 }], waitForLeaders: true })
    } finally {
      await admin.disconnect()
    }
  },

  produce: async ({ bootstrap, topic, codec, acks, idempotent, in: input, out }) => {
    const producer = connect(bootstrap).producer({ idempotent, allowAutoTopicCreation: false, maxInFlightRequests: 1 })
    const messages = fs.readFileSync(input, 'utf8').split('\n').filter(Boolean).map(parse)
    await producer.connect()
    try {
      for (let at = 0; at < messages.length; at += 20) {
        await producer.send({ topic, acks, compression: codecs[codec], messages: messages.slice(at, at + 20) })
      }
    } finally {
      await producer.disconnect()
    }
    fs.writeFileSync(out, '')
  },

  consume: async ({ bootstrap, topic, from, until, out }) => {
    const kafka = connect(bootstrap)
    const symbol = Object.getOwnPropertySymbols(kafka).find(s => String(s).includes('createCluster'))
    const cluster = kafka[symbol]({ allowAutoTopicCreation: false, isolationLevel: 0 })
    const lines = []
    await cluster.connect()
    try {
      await cluster.addTargetTopic(topic)
      await cluster.refreshMetadata()
      for (const partition of Object.keys(until).map(Number)) {
        let [kind, number] = from[partition]
        if (kind === 'timestamp' || number < 0) {
          const query = kind === 'timestamp' ? { fromTimestamp: number } : { fromBeginning: true }
          const [answer] = await cluster.fetchTopicsOffset([{ topic, partitions: [{ partition }], ...query }])
          number = Number(answer.partitions[0].offset)
          if (number < 0) number = until[partition]
        }
        const leaders = cluster.findLeaderForPartitions(topic, [partition])
        const broker = await cluster.findBroker({ nodeId: Number(Object.keys(leaders)[0]) })
        const deadline = Date.now() + 60000
        while (number < until[partition]) {
          if (Date.now() > deadline) throw new Error('not all records came')
          const { responses } = await broker.fetch({
            maxWaitTime: 100, minBytes: 1, maxBytes: 1 << 22, isolationLevel: 0,
            topics: [{ topic, partitions: [{ partition, fetchOffset: String(number), maxBytes: 1 << 20 }] }],
          })
          for (const message of responses[0].partitions[0].messages) {
            if (Number(message.offset) < number) continue // a batch comes whole, also when asked for its middle
            lines.push(format(partition, message))
            number = Number(message.offset) + 1
          }
        }
      }
    } finally {
      await cluster.disconnect()
    }
    fs.writeFileSync(out, lines.map(l => l + '\n').join(''))
  },
}

;(async () => {
  for await (const line of readline.createInterface({ input: process.stdin })) {
    let answer
    try {
      const command = JSON.parse(line)
      answer = { ok: true, ...(await operations[command.op](command)) }
    } catch (error) {
      answer = { ok: false, error: String(error.message || error) }
    }
    process.stdout.write(JSON.stringify(answer) + '\n')
  }
  process.exit(0)
})()
