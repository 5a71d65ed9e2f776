import {
  closeSync,
  constants,
  fstatSync,
  ftruncateSync,
  mkdtempSync,
  openSync,
  readdirSync,
  readSync,
  rmdirSync,
  rmSync,
  writeSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { basename, dirname, join } from 'node:path'
import type { Units } from '../../fleet/audit/collect.ts'
import { digest } from '../../fleet/digest.ts'
import { CommandError, exit } from '../exit.ts'
import { whyNot } from '../files.ts'
import { plain } from '../output.ts'

const FORMAT = 'keyturn-audit-journal/1'
/** Bytes that are read at once, and those of the largest journal and of the longest line that are read at all. */
const [CHUNK, LARGEST, LONGEST] = [1 << 20, 4 * 2 ** 30, 64 * 2 ** 20]
const NEWLINE = 10
/** How the folder begins that is made for a journal which nobody has named. */
const FOLDER = 'keyturn-audit-'

/** A unit's line: its name, a sum over what was found, by which a line that somebody has changed is known, and that. */
const LINE = /^\{"unit":("(?:[^"\\]|\\.)*"),"sum":"([0-9a-f]{64})","found":(.*)\}$/s

/** What an audit is of: only the same one can go on. Each is one line of text. */
export type Head = Record<string, string>

type Place = { at: number; length: number }

/**
 * What an audit has found so far, in a file of JSON lines that only its owner may read. Each unit is there as soon as it was found,
 * so that an audit which was killed goes on where it was. There is no value in it, but the names, tags and policies of credentials.
 */
export class Journal implements Units {
  readonly path: string
  readonly #file: number
  /** Where each unit is that has not been taken yet. */
  readonly #kept: Map<string, Place>
  /** Whether nobody has named it: it is then no longer than its audit. */
  readonly #own: boolean

  private constructor(path: string, file: number, kept: Map<string, Place>, own: boolean) {
    this.path = path
    this.#file = file
    this.#kept = kept
    this.#own = own
  }

  /**
   * Begins a new one: at `path`, where there must be nothing yet, or else in a new folder among the system's temporary ones.
   * @throws CommandError if there is something, or no file can be made
   */
  static begin(head: Head, path?: string): Journal {
    const place = path ?? join(mkdtempSync(join(tmpdir(), FOLDER)), 'journal.jsonl')
    const own = path === undefined
    const journal = new Journal(place, opened(place, 'wx+', 'begun'), new Map(), own)
    journal.#append(JSON.stringify({ format: FORMAT, ...head, own }))
    return journal
  }

  /**
   * Takes up one that was left. Its last line may be torn, and is then no unit.
   * @throws CommandError if the file is none, or that of another audit
   */
  static resume(path: string, head: Head): Journal {
    const file = opened(path, constants.O_RDWR | constants.O_APPEND, 'resumed')
    try {
      const kept = new Map<string, Place>()
      let own: boolean | undefined
      const end = eachLine(file, path, (line, place) => {
        if (own === undefined) own = ownIn(path, line, head)
        else kept.set(unitIn(path, line), place)
      })
      if (own === undefined) throw noJournal(path)
      ftruncateSync(file, end)
      return new Journal(path, file, kept, own)
    } catch (error) {
      closeSync(file)
      throw error
    }
  }

  take(unit: string): unknown {
    const place = this.#kept.get(unit)
    if (!place) return undefined
    this.#kept.delete(unit)
    const bytes = Buffer.alloc(place.length)
    readSync(this.#file, bytes, 0, place.length, place.at)
    const [, , sum, text = ''] = LINE.exec(bytes.toString()) ?? []
    if (digest(text) !== sum) throw noJournal(this.path)
    return parsed(this.path, text)
  }

  keep(unit: string, found: unknown): void {
    const text = JSON.stringify(found)
    this.#append(`{"unit":${JSON.stringify(unit)},"sum":"${digest(text)}","found":${text}}`)
  }

  /** Ends it, as the audit has ended well. One that nobody has named goes, also when it was resumed; one that was named stays. */
  close(): void {
    closeSync(this.#file)
    if (!this.#own) return
    rmSync(this.path, { force: true })
    const folder = dirname(this.path)
    if (basename(folder).startsWith(FOLDER) && !readdirSync(folder).length) rmdirSync(folder)
  }

  #append(line: string): void {
    try {
      writeSync(this.#file, `${line}\n`)
    } catch (error) {
      throw new CommandError(
        exit.failed,
        `the journal ${plain(this.path)} cannot be written: ${whyNot(error, true)}`,
        `Make room, and go on with --resume ${plain(this.path)}.`,
        error,
      )
    }
  }
}

function opened(path: string, flags: string | number, done: string): number {
  try {
    return openSync(path, flags, 0o600)
  } catch (error) {
    throw new CommandError(
      exit.usage,
      `the journal ${plain(path)} cannot be ${done}: ${whyNot(error, done === 'begun')}`,
      (error as NodeJS.ErrnoException).code === 'EEXIST'
        ? 'Go on with it by --resume, or name another file.'
        : 'Name another file.',
      error,
    )
  }
}

/** Gives each whole line of a file, and where it is. @returns where the last one ends */
function eachLine(file: number, path: string, take: (line: string, place: Place) => void): number {
  if (fstatSync(file).size > LARGEST) throw noJournal(path)
  let rest = Buffer.alloc(0)
  let at = 0
  for (;;) {
    const chunk = Buffer.alloc(CHUNK)
    const read = readSync(file, chunk, 0, CHUNK, at + rest.length)
    if (read === 0) return at
    rest = Buffer.concat([rest, chunk.subarray(0, read)])
    let start = 0
    for (let end = rest.indexOf(NEWLINE); end !== -1; end = rest.indexOf(NEWLINE, start)) {
      take(rest.toString('utf8', start, end), { at: at + start, length: end - start })
      start = end + 1
    }
    rest = rest.subarray(start)
    at += start
    if (rest.length > LONGEST) throw noJournal(path)
  }
}

function parsed(path: string, line: string): unknown {
  try {
    return JSON.parse(line)
  } catch (error) {
    throw noJournal(path, error)
  }
}

function unitIn(path: string, line: string): string {
  // Only the name is needed, and a unit can be long.
  const [, name] = LINE.exec(line) ?? []
  if (!name) throw noJournal(path)
  return parsed(path, name) as string
}

/** Whether nobody has named the journal that begins with this line. @throws CommandError if it is of another audit, or none */
function ownIn(path: string, line: string, head: Head): boolean {
  const found = parsed(path, line) as (Head & { own?: unknown }) | null
  if (found?.format !== FORMAT) throw noJournal(path)
  for (const [name, here] of Object.entries(head))
    if (found[name] !== here)
      throw new CommandError(
        exit.usage,
        `the journal ${plain(path)} is of another audit: its ${name} ${name.endsWith('s') ? 'are' : 'is'} ${plain(found[name] || 'none')}, and not ${plain(here || 'none')}`,
        'Repeat the command as it was begun, or begin a new audit without --resume.',
      )
  return found.own === true
}

const noJournal = (path: string, cause?: unknown) =>
  new CommandError(
    exit.usage,
    `${plain(path)} is no journal of an audit`,
    'Name the file that the audit named when it began, or begin a new one without --resume.',
    cause,
  )
