'use strict'
// The copier by kafkajs; see copier.py. kafkajs has no assignment by hand, so it is a member of its group. Arguments:
// bootstrap, start, journal.

const fs = require('fs')
const path = require('path')
const modules = process.env.NODE_MODULES
const { Kafka, logLevel } = require(modules ? path.join(modules, 'kafkajs') : 'kafkajs')

const [bootstrap, start, journal] = process.argv.slice(2)
const IN = 'in', OUT = 'out', GROUP = 'copier', ID = 'copier', PARTITIONS = 3
const SIZE_MAX = 40
const ABORTED_SHARE = 0.2
let sequence = Number(start) * 10000000

const file = fs.openSync(journal, 'a')
const write = (...lines) => {
  const now = process.hrtime.bigint() // CLOCK_MONOTONIC
  fs.writeSync(file, lines.map(line => `${now} ${line}\n`).join(''))
}

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
  const admin = kafka.admin()
  let at = {} // how far each partition is committed; empty: to be asked
  let reads = {} // which offset of each partition is read next, unless some are read again

  const beginAtCommitted = async () => {
    write('asks')
    const [{ partitions }] = await admin.fetchOffsets({ groupId: GROUP, topics: [IN] })
    at = {}
    reads = {}
    for (let index = 0; index < PARTITIONS; index++) at[index] = 0
    for (const each of partitions) at[each.partition] = Math.max(Number(each.offset), 0)
    write(...Object.entries(at).map(([partition, offset]) => `fetched ${partition} ${offset}`), 'seek')
  }

  await admin.connect()
  await producer.connect()
  // It gets its producer id with the first transaction, and the group's offsets are stable only after that.
  const first = await producer.transaction()
  write('init')
  await first.abort()
  await consumer.connect()
  await consumer.subscribe({ topic: IN, fromBeginning: true })
  consumer.on(consumer.events.CRASH, ({ payload }) => fail(payload.error))
  consumer.on(consumer.events.GROUP_JOIN, () => { at = {} })
  await consumer.run({
    autoCommit: false,
    eachBatchAutoResolve: false,
    partitionsConsumedConcurrently: 1,
    eachBatch: async ({ batch, resolveOffset, heartbeat, isRunning, isStale }) => {
      const partition = batch.partition
      let done = 0
      while (done < batch.messages.length) {
        if (!isRunning() || isStale()) {
          at = {}
          return
        }
        if (at[partition] === undefined) await beginAtCommitted()
        const some = batch.messages.slice(done, done + 1 + Math.floor(Math.random() * SIZE_MAX))
        const aborts = Math.random() < ABORTED_SHARE
        const timestamp = Date.now()
        const copies = some.map(each => ({
          partition, value: each.value, key: `0:${sequence}`, timestamp: String(timestamp),
          sequence: sequence++, number: String(each.key).split(':')[1], offset: Number(each.offset),
        }))
        const end = copies[copies.length - 1].offset + 1
        // After an abort the same ones are copied again, without being read again.
        const fresh = copies.filter(each => each.offset >= (reads[partition] ?? 0))
        reads[partition] = Math.max(reads[partition] ?? 0, end)
        write(
          'begin',
          ...fresh.map(each => `read ${partition} ${each.offset} ${each.number}`),
          ...copies.map(each => `send ${each.sequence} ${partition} ${timestamp} ${each.number}`),
        )
        const transaction = await producer.transaction()
        const [sent] = await transaction.send({
          topic: OUT, messages: copies.map(({ partition, value, key, timestamp }) => ({ partition, value, key, timestamp })),
        })
        write(...copies.map((each, index) => `acked ${each.sequence} ${Number(sent.baseOffset) + index}`))
        write(`offsets ${partition} ${at[partition]} ${end}`)
        await transaction.sendOffsets({
          consumerGroupId: GROUP, topics: [{ topic: IN, partitions: [{ partition, offset: String(end) }] }],
        })
        if (aborts) {
          write('aborting')
          await transaction.abort()
          write('aborted')
        } else {
          write('committing')
          await transaction.commit()
          write('committed')
          at[partition] = end
          resolveOffset(some[some.length - 1].offset)
          done += some.length
        }
        await heartbeat()
      }
    },
  })
}

process.on('unhandledRejection', fail)
main().catch(fail)
