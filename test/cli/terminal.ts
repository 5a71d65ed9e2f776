import { PassThrough, Writable } from 'node:stream'
import { stripVTControlCharacters } from 'node:util'
import { contextOf } from '../../cli/context.ts'

/** A context on a terminal where somebody types this at each question, or on none. */
export function surroundings(typed: string | undefined, json: boolean) {
  const printed = { out: '', err: '' }
  const stdin = Object.assign(new PassThrough(), { isTTY: typed !== undefined })
  const stdout = { write: (text: string) => (printed.out += text) }
  const stderr = new Writable({
    write(chunk, _, done) {
      printed.err += stripVTControlCharacters(`${chunk}`)
      if (/\(yes\/no\) $|to go on: $/.test(`${chunk}`)) stdin.write(`${typed}\n`)
      done()
    },
  })
  return { printed, context: contextOf({ json }, { stdin, stdout, stderr }, process.env) }
}
