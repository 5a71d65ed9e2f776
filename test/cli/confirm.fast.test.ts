import { PassThrough, Writable } from 'node:stream'
import { expect, test } from 'vitest'
import { canAsk, confirm, type Question } from '../../cli/confirm.ts'
import { makeContext } from '../../cli/context.ts'

const region = 'us-east-1'
const question: Question = { details: ['two replicas go'], flag: `--confirm ${region}`, isConfirmed: false }

/** A context on a terminal, or on none, that answers the question with this text. Undefined ends the input instead. */
function answering(answer: string | undefined, { isTTY = true, json = false } = {}) {
  const printed = { text: '' }
  const stdin = Object.assign(new PassThrough(), { isTTY })
  const stderr = new Writable({
    write(chunk, _, done) {
      printed.text += chunk
      if (/\(yes\/no\) |to go on: /.test(`${chunk}`)) {
        if (answer === undefined) stdin.end()
        else stdin.write(answer)
      }
      done()
    },
  })
  return { printed, context: makeContext({ json }, { stdin, stdout: stderr, stderr }, {}) }
}

test.each(['yes\n', 'y\n', 'Yes\r', ' y \n'])('the answer %j confirms', async answer => {
  const { context, printed } = answering(answer)
  await confirm(context, question)
  expect(printed.text).toMatch(/^two replicas go\n/)
})

test.each(['no\n', '\n', 'yess\n', '\u0003', '\u0004', undefined])(
  'the answer %j does not confirm',
  async answer => {
    const { context } = answering(answer)
    await expect(confirm(context, question)).rejects.toMatchObject({
      code: 2,
      message: expect.stringContaining('nothing was changed'),
    })
  },
)

test('after the answer, a question no longer listens to keys', async () => {
  const { context } = answering('yes\n')
  for (let n = 0; n < 3; n++) {
    await confirm(context, question)
    expect(context.terminal.input.listenerCount('keypress')).toBe(0)
  }
})

test('a word has to be typed exactly', async () => {
  await confirm(answering('us-east-1\n').context, { ...question, word: region })
  for (const answer of ['us-east-2\n', 'US-EAST-1\n', 'yes\n', '\n'])
    await expect(confirm(answering(answer).context, { ...question, word: region })).rejects.toThrow(
      'not confirmed',
    )
})

test('without a terminal, and with --json, there is no question and no wait', async () => {
  for (const surroundings of [{ isTTY: false }, { json: true }]) {
    const { context, printed } = answering('yes\n', surroundings)
    expect(canAsk(context)).toBe(false)
    await expect(confirm(context, question)).rejects.toMatchObject({
      code: 2,
      remedy: 'To confirm it without a question: --confirm us-east-1.',
    })
    expect(printed.text).toBe('')
    await confirm(context, { ...question, isConfirmed: true })
  }
})
