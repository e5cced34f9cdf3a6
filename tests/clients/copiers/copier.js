'use strict'
// The copier by kafkajs; see copier.py. kafkajs has no assignment by hand, so it is a member of its group.

const path = require('path')
const modules = process.env.NODE_MODULES
const { Kafka, logLevel } = require(modules ? path.join(modules, 'kafkajs') : 'kafkajs')

const [bootstrap] = process.argv.slice(2)
const IN = 'in', OUT = 'out', GROUP = 'copier', ID = 'copier'
const SIZE_MAX = 40
const ABORTED_SHARE = 0.2

const kafka = new Kafka({
  clientId: 'copier', brokers: [bootstrap], logLevel: logLevel.NOTHING,
  retry: { initialRetryTime: 50, maxRetryTime: 300, retries: 100 },
})
const fail = error => { console.error(error); process.exit(1) }

const main = async () => {
  const producer = kafka.producer({ transactionalId: ID, idempotent: true, maxInFlightRequests: 1, transactionTimeout: 20000 })
  const consumer = kafka.consumer({
    groupId: GROUP, sessionTimeout: 3000, heartbeatInterval: 500, rebalanceTimeout: 5000, maxWaitTimeInMs: 50,
    readUncommitted: false,
  })
  await producer.connect()
  await consumer.connect()
  await consumer.subscribe({ topic: IN, fromBeginning: true })
  consumer.on(consumer.events.CRASH, ({ payload }) => fail(payload.error))
  await consumer.run({
    autoCommit: false,
    eachBatchAutoResolve: false,
    partitionsConsumedConcurrently: 1,
    eachBatch: async ({ batch, resolveOffset, heartbeat, isRunning, isStale }) => {
      let at = 0
      while (at < batch.messages.length) {
        if (!isRunning() || isStale()) return
        const some = batch.messages.slice(at, at + 1 + Math.floor(Math.random() * SIZE_MAX))
        const aborts = Math.random() < ABORTED_SHARE
        const transaction = await producer.transaction()
        await transaction.send({
          topic: OUT,
          messages: some.map(each => ({ partition: batch.partition, value: (aborts ? 'x' : '') + each.value })),
        })
        const next = String(Number(some[some.length - 1].offset) + 1)
        await transaction.sendOffsets({
          consumerGroupId: GROUP, topics: [{ topic: IN, partitions: [{ partition: batch.partition, offset: next }] }],
        })
        if (aborts) {
          await transaction.abort()
        } else {
          await transaction.commit()
          resolveOffset(some[some.length - 1].offset)
          at += some.length
        }
        await heartbeat()
      }
    },
  })
}

process.on('unhandledRejection', fail)
main().catch(fail)
