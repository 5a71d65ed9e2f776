import { PassThrough, Writable } from 'node:stream'
import { stripVTControlCharacters } from 'node:util'
import { makeContext } from '../../cli/context.ts'

/** A context on a terminal where somebody types this at each question, or these one after the other; or on none. */
export function terminalContext(typed: string | string[] | undefined, json: boolean) {
  const answers = Array.isArray(typed) ? [...typed] : undefined
  const printed = { out: '', err: '' }
  const stdin = Object.assign(new PassThrough(), { isTTY: typed !== undefined })
  const stdout = { write: (text: string) => (printed.out += text) }
  const stderr = new Writable({
    write(chunk, _, done) {
      printed.err += stripVTControlCharacters(`${chunk}`)
      if (/\(yes\/no\) $|: $/.test(`${chunk}`)) stdin.write(`${answers ? (answers.shift() ?? '') : typed}\n`)
      done()
    },
  })
  return { printed, context: makeContext({ json }, { stdin, stdout, stderr }, process.env) }
}
