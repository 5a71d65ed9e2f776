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
import type { KeptAnswers } from '../../fleet/audit/collect.ts'
import { digest } from '../../fleet/digest.ts'
import { CommandError, EXIT, usageError } from '../exit.ts'
import { fileErrorText } from '../files.ts'
import { sanitize } from '../output.ts'

const JOURNAL_FORMAT = 'keyturn-audit-journal/1'
/** Bytes that are read at once. */
const CHUNK_BYTES = 1 << 20
/** Bytes of a journal, and of a line in it, that are read at most. */
const MAX_JOURNAL_BYTES = 4 * 2 ** 30
const MAX_LINE_BYTES = 64 * 2 ** 20
const NEWLINE_BYTE = 10
/** The prefix of the temporary folder of a journal without --journal. */
const FOLDER_PREFIX = 'keyturn-audit-'

/** A unit's line: its name, a digest of its answer, which shows whether the line was changed, and the answer. */
const UNIT_LINE = /^\{"unit":("(?:[^"\\]|\\.)*"),"sum":"([0-9a-f]{64})","found":(.*)\}$/s

/**
 * What an audit is about: its account, stage, Regions and so on, each as text. An audit can go on only with a journal that has the
 * same header.
 */
export type JournalHeader = Record<string, string>

type LinePosition = { offset: number; length: number }

/**
 * The answers that an audit has got so far, in a file of JSON lines that only its owner may read. Each unit (the answers of one
 * call or list) is written at once, so that an audit that was killed can go on. The file has no values of credentials, but their
 * names, tags and policies.
 */
export class Journal implements KeptAnswers {
  readonly path: string
  readonly #file: number
  /** The positions in the file of the units that have not been taken yet. */
  readonly #kept: Map<string, LinePosition>
  /** Whether it was begun without --journal: then it is removed when its audit has succeeded. In the file the key is `own`. */
  readonly #isTemporary: boolean

  private constructor(path: string, file: number, kept: Map<string, LinePosition>, isTemporary: boolean) {
    this.path = path
    this.#file = file
    this.#kept = kept
    this.#isTemporary = isTemporary
  }

  /**
   * Begins a new journal: at `path`, or without it in a new temporary folder.
   * @throws CommandError if a file exists at `path`, or cannot be made
   */
  static begin(head: JournalHeader, path?: string): Journal {
    const place = path ?? join(mkdtempSync(join(tmpdir(), FOLDER_PREFIX)), 'journal.jsonl')
    const isTemporary = path === undefined
    const journal = new Journal(place, openJournal(place, 'wx+', 'begun'), new Map(), isTemporary)
    journal.#append(JSON.stringify({ format: JOURNAL_FORMAT, ...head, own: isTemporary }))
    return journal
  }

  /**
   * Opens the journal of an interrupted audit. If its last line is incomplete, that line is dropped.
   * @throws CommandError if the file is not a journal, or is of another audit
   */
  static resume(path: string, head: JournalHeader): Journal {
    const file = openJournal(path, constants.O_RDWR | constants.O_APPEND, 'resumed')
    try {
      const kept = new Map<string, LinePosition>()
      let isTemporary: boolean | undefined
      const end = forEachLine(file, path, (line, place) => {
        if (isTemporary === undefined) isTemporary = isTemporaryJournal(path, line, head)
        else kept.set(unitNameIn(path, line), place)
      })
      if (isTemporary === undefined) throw notAJournalError(path)
      ftruncateSync(file, end)
      return new Journal(path, file, kept, isTemporary)
    } catch (error) {
      closeSync(file)
      throw error
    }
  }

  /**
   * The answer of a unit; undefined if the journal has none, or if it was taken before.
   * @throws CommandError if its line was changed
   */
  take(unit: string): unknown {
    const place = this.#kept.get(unit)
    if (!place) return undefined
    this.#kept.delete(unit)
    const bytes = Buffer.alloc(place.length)
    readSync(this.#file, bytes, 0, place.length, place.offset)
    const [, , sum, text = ''] = UNIT_LINE.exec(bytes.toString()) ?? []
    if (digest(text) !== sum) throw notAJournalError(this.path)
    return parseLine(this.path, text)
  }

  /** Writes the answer of a unit. @throws CommandError if it cannot be written */
  keep(unit: string, found: unknown): void {
    const text = JSON.stringify(found)
    this.#append(`{"unit":${JSON.stringify(unit)},"sum":"${digest(text)}","found":${text}}`)
  }

  /** Closes the journal of an audit that has succeeded. A temporary journal is removed, also if it was resumed. */
  close(): void {
    closeSync(this.#file)
    if (!this.#isTemporary) return
    rmSync(this.path, { force: true })
    const folder = dirname(this.path)
    if (basename(folder).startsWith(FOLDER_PREFIX) && !readdirSync(folder).length) rmdirSync(folder)
  }

  #append(line: string): void {
    try {
      writeSync(this.#file, `${line}\n`)
    } catch (error) {
      throw new CommandError(
        EXIT.failed,
        `the journal ${sanitize(this.path)} cannot be written: ${fileErrorText(error, true)}`,
        `Make room, and go on with --resume ${sanitize(this.path)}.`,
        error,
      )
    }
  }
}

/** Opens the file. @param done how the error's message ends: the journal cannot be begun, or resumed. @throws CommandError */
function openJournal(path: string, flags: string | number, done: 'begun' | 'resumed'): number {
  try {
    return openSync(path, flags, 0o600)
  } catch (error) {
    throw usageError(
      `the journal ${sanitize(path)} cannot be ${done}: ${fileErrorText(error, done === 'begun')}`,
      (error as NodeJS.ErrnoException).code === 'EEXIST'
        ? 'Go on with it by --resume, or name another file.'
        : 'Name another file.',
      error,
    )
  }
}

/** Calls `onLine` with each complete line of a file and its position. @returns the offset behind the last complete line */
function forEachLine(
  file: number,
  path: string,
  onLine: (line: string, place: LinePosition) => void,
): number {
  if (fstatSync(file).size > MAX_JOURNAL_BYTES) throw notAJournalError(path)
  // What was read and is not yet a complete line, and its offset in the file.
  let rest = Buffer.alloc(0)
  let at = 0
  for (;;) {
    const chunk = Buffer.alloc(CHUNK_BYTES)
    const read = readSync(file, chunk, 0, CHUNK_BYTES, at + rest.length)
    if (read === 0) return at
    rest = Buffer.concat([rest, chunk.subarray(0, read)])
    let start = 0
    for (let end = rest.indexOf(NEWLINE_BYTE); end !== -1; end = rest.indexOf(NEWLINE_BYTE, start)) {
      onLine(rest.toString('utf8', start, end), { offset: at + start, length: end - start })
      start = end + 1
    }
    rest = rest.subarray(start)
    at += start
    if (rest.length > MAX_LINE_BYTES) throw notAJournalError(path)
  }
}

function parseLine(path: string, line: string): unknown {
  try {
    return JSON.parse(line)
  } catch (error) {
    throw notAJournalError(path, error)
  }
}

/** The name of the unit in a line. */
function unitNameIn(path: string, line: string): string {
  // The rest of the line is not parsed, as an answer can be long.
  const [, name] = UNIT_LINE.exec(line) ?? []
  if (!name) throw notAJournalError(path)
  return parseLine(path, name) as string
}

/** Whether the journal with this first line is temporary. @throws CommandError if it is of another audit, or not a journal */
function isTemporaryJournal(path: string, line: string, head: JournalHeader): boolean {
  const found = parseLine(path, line) as (JournalHeader & { own?: unknown }) | null
  if (found?.format !== JOURNAL_FORMAT) throw notAJournalError(path)
  for (const [name, here] of Object.entries(head))
    if (found[name] !== here)
      throw usageError(
        `the journal ${sanitize(path)} is of another audit: its ${name} ${name.endsWith('s') ? 'are' : 'is'} ${sanitize(found[name] || 'none')}, and not ${sanitize(here || 'none')}`,
        'Repeat the command with the options of that audit, or begin a new audit without --resume.',
      )
  return found.own === true
}

const notAJournalError = (path: string, cause?: unknown) =>
  usageError(
    `${sanitize(path)} is not a journal of an audit`,
    'Name the file that the audit printed when it began, or begin a new audit without --resume.',
    cause,
  )
