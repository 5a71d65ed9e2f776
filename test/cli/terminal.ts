import { PassThrough, Writable } from 'node:stream'
import { stripVTControlCharacters } from 'node:util'
import { makeContext } from '../../cli/context.ts'

/**
 * @returns a command's context on a terminal, with what was printed. A text `typed` answers each question; a list answers one
 * after the other; undefined is an input that is no terminal.
 */
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
