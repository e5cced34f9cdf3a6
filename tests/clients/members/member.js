'use strict'
// One member of a consumer group by kafkajs; arguments and output as in member.py, CLIENT left out.

const fs = require('fs')
const path = require('path')
const modules = process.env.NODE_MODULES
const { Kafka, logLevel } = require(modules ? path.join(modules, 'kafkajs') : 'kafkajs')

const [bootstrap, topic, groupId, outPath, session] = process.argv.slice(2)
const sessionTimeout = Number(session)
const out = fs.openSync(outPath, 'a')
const say = (...words) => fs.writeSync(out, words.join(' ') + '\n')

const kafka = new Kafka({
  clientId: 'member', brokers: [bootstrap], logLevel: logLevel.NOTHING,
  retry: { initialRetryTime: 50, maxRetryTime: 300, retries: 1000 },
})
const consumer = kafka.consumer({
  groupId, sessionTimeout, heartbeatInterval: sessionTimeout / 5, rebalanceTimeout: 10000, maxWaitTimeInMs: 50,
  metadataMaxAge: 1000,
})

const main = async () => {
  await consumer.connect()
  await consumer.subscribe({ topic, fromBeginning: true })
  consumer.on(consumer.events.GROUP_JOIN, ({ payload }) => {
    say('A', (payload.memberAssignment[topic] || []).slice().sort((a, b) => a - b).join(','))
  })
  await consumer.run({
    autoCommit: false,
    eachBatchAutoResolve: false,
    eachBatch: async ({ batch, resolveOffset, heartbeat, isRunning, isStale }) => {
      for (const message of batch.messages) {
        if (!isRunning() || isStale()) return
        say('R', batch.partition, message.offset, message.value.toString())
        resolveOffset(message.offset)
      }
      const next = String(Number(batch.lastOffset()) + 1)
      await consumer.commitOffsets([{ topic, partition: batch.partition, offset: next }])
      say('C', batch.partition, next)
      await heartbeat()
    },
  })
}

process.on('SIGTERM', async () => {
  await consumer.disconnect()
  process.exit(0)
})
main().catch(error => {
  console.error(error)
  process.exit(1)
})
