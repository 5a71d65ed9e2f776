import { expect, test } from 'vitest'
import { AwsReader } from '../../../fleet/audit/collect/awsReader.ts'
import type { Collector } from '../../../fleet/audit/collect/collector.ts'
import { readPages } from '../../../fleet/audit/collect/pages.ts'
import { EndlessList, readAllPages } from '../../../fleet/wholeList.ts'

const kind = { service: 'secretsmanager', operation: 'ListSecrets', region: 'eu-west-1' } as const
const collector = () =>
  ({
    reader: new AwsReader('eu-west-1'),
    keptAnswers: { take: () => undefined, keep() {} },
    reportProgress() {},
  }) as unknown as Collector

/** Reads a list whose pages have these next tokens. */
async function read(tokens: (string | undefined)[]) {
  const found: number[] = []
  let calls = 0
  const ask = async () => ({ items: [calls], next: tokens[calls++] })
  const all = await readPages(collector(), kind, ask, item => found.push(item))
  return { all, found }
}

test('a page without items that has a token is not the last', async () => {
  expect(await read(['b', 'c', undefined])).toEqual({ all: { is: 'all' }, found: [0, 1, 2] })
})

test.each([
  ['the same token again', ['b', 'b', 'b']],
  ['tokens that lead in a circle', ['b', 'c', 'b', 'c']],
])('%s: it is unknown whether the list is complete', async (_, tokens) => {
  const { all, found } = await read(tokens)
  expect(all).toEqual({ unread: 'Secrets Manager ListSecrets: EndlessList' })
  expect(found.length).toBeLessThan(4)
})

test('a list that never ends is given up, and not taken as complete', async () => {
  async function* pages() {
    for (let page = 0; page < 5000; page++) yield page
  }
  const count = async () => {
    for await (const _ of readAllPages(pages()));
  }
  await expect(count()).rejects.toThrow(EndlessList)
})
