import { CommandError, usageError } from '../exit.ts'
import { readTextFile } from '../files.ts'
import { sanitize } from '../output.ts'
import { type RotationWish, requireConsistentWish, WISH_FLAGS } from './wish.ts'

const MAX_FILE_BYTES = 1024 * 1024
/** How many credentials a file may name. */
const MAX_CREDENTIAL_COUNT = 2000

/** One credential to enrol, and how. `place` says where the file names it, such as `line 7` or `entry 3`; empty without a file. */
export type EnrolRequest = { id: string; wish: RotationWish; place: string }

/** The fields of a line, or of an entry of a JSON array, by their names. They are not checked yet. */
type FileRow = { place: string; fields: Record<string, unknown> }

/** The key of RotationWish for each field of a file. A field has the name of an option, without `--`. */
const wishKeys = Object.fromEntries(
  Object.entries(WISH_FLAGS).map(([key, flag]) => [flag.slice(2), key as keyof RotationWish]),
)

/**
 * Reads the credentials to enrol from a file: CSV with a head if its name ends in .csv, else a JSON array of objects, or a JSON
 * object on each line. The fields are `id` and the names of the options.
 * @param defaults the command's own options, which hold where a line does not say otherwise
 * @throws CommandError that names the file and the line
 */
export async function readEnrolFile(path: string, defaults: RotationWish): Promise<EnrolRequest[]> {
  const text = (await readTextFile(path, '--from', MAX_FILE_BYTES)).replace(/^\ufeff/, '')
  const rows = /\.csv$/i.test(path) ? csvRows(path, text) : jsonRows(path, text)
  if (!rows.length) throw fileError(path, 'it names no credential', 'See docs/enrol.md, "Many at once".')
  if (rows.length > MAX_CREDENTIAL_COUNT)
    throw fileError(path, `it names more than ${MAX_CREDENTIAL_COUNT} credentials`, 'Enrol them in parts.')
  const requests = rows.map(row => requestOfRow(path, row, defaults))
  const ids = new Map<string, string>()
  for (const { id, place } of requests) {
    const firstPlace = ids.get(id)
    if (firstPlace) throw fileError(path, `${place} has the id of ${firstPlace}`, 'Leave one of them out.')
    ids.set(id, place)
  }
  return requests
}

function requestOfRow(
  path: string,
  { place, fields: { id, ...ownFields } }: FileRow,
  defaults: RotationWish,
): EnrolRequest {
  if (typeof id !== 'string' || !id)
    throw fileError(
      path,
      `${place} has no id`,
      'An id is an ARN, secret:NAME, parameter:NAME, or a name alone.',
    )
  const ownWish = Object.fromEntries(
    Object.entries(ownFields)
      .filter(([, value]) => value !== '' && value !== null)
      .map(([name, value]) => fieldOf(path, place, name, value)),
  )
  const wish: RotationWish = { ...withoutSchedule(defaults, ownWish), ...ownWish }
  try {
    requireConsistentWish(wish)
  } catch (error) {
    if (!(error instanceof CommandError)) throw error
    throw fileError(path, `${place}: ${error.message}`, error.remedy)
  }
  return { id, wish, place }
}

/** Parses a field of a line. @returns its key and value in RotationWish. @throws CommandError */
function fieldOf(path: string, place: string, name: string, value: unknown): [string, string | boolean] {
  const field = wishKeys[name]
  if (!field)
    throw fileError(
      path,
      `${place} has an unknown field ${sanitize(name)}`,
      `The fields are id, ${Object.keys(wishKeys).join(', ')}.`,
    )
  if (field === 'now') return [field, parseBoolean(path, place, value)]
  if (typeof value === 'string') return [field, value]
  throw fileError(path, `${place}: ${name} should be a text`, 'Put it in quotes.')
}

/** The command's options, without their schedule if a line has a schedule of its own. */
function withoutSchedule(defaults: RotationWish, ownWish: RotationWish): RotationWish {
  if (!ownWish.every && !ownWish.schedule) return defaults
  const { every: _, window: __, jitter: ___, schedule: ____, duration: _____, ...others } = defaults
  return others
}

function parseBoolean(path: string, place: string, value: unknown): boolean {
  if (value === true || value === 'true') return true
  if (value === false || value === 'false') return false
  throw fileError(
    path,
    `${place}: now should be true or false`,
    'Leave it out where it is not to rotate at once.',
  )
}

function jsonRows(path: string, text: string): FileRow[] {
  const isArray = text.trimStart().startsWith('[')
  const texts: [string, string][] = isArray
    ? [['the file', text]]
    : text.split('\n').flatMap((line, n) => (line.trim() ? [[`line ${n + 1}`, line]] : []))
  const parsed = texts.flatMap(([place, part]): [string, unknown][] => {
    try {
      const value: unknown = JSON.parse(part)
      return isArray ? (value as unknown[]).map((one, n) => [`entry ${n + 1}`, one]) : [[place, value]]
    } catch {
      throw fileError(path, `${place} is no JSON`, 'It should be an array of objects, or an object a line.')
    }
  })
  return parsed.map(([place, value]) => {
    if (typeof value !== 'object' || value === null || Array.isArray(value))
      throw fileError(path, `${place} is no object`, 'Such as {"id": "shop/database", "every": "30d"}.')
    return { place, fields: value as Record<string, unknown> }
  })
}

function csvRows(path: string, text: string): FileRow[] {
  const [head, ...rows] = csvLines(path, text)
  if (!head) return []
  const names = head.cells.map(cell => cell.trim())
  return rows.map(({ line, cells }) => {
    if (cells.length !== names.length)
      throw fileError(
        path,
        `line ${line} has ${cells.length} cells, and the head ${names.length}`,
        'Put a text with a comma in quotes.',
      )
    return {
      place: `line ${line}`,
      fields: Object.fromEntries(names.map((name, n) => [name, cells[n]?.trim()])),
    }
  })
}

type CsvLine = { line: number; cells: string[] }

/** Splits CSV (RFC 4180, but no text may contain a line break) into the lines that are not empty, each with its number. */
function csvLines(path: string, text: string): CsvLine[] {
  return text.split(/\r?\n/).flatMap((line, n) => {
    if (!line.trim()) return []
    const cells = [...`,${line}`.matchAll(/,(?:"((?:[^"]|"")*)"|([^",]*))/g)]
    const length = cells.reduce((sum, [whole]) => sum + whole.length, 0)
    if (length !== line.length + 1)
      throw fileError(
        path,
        `line ${n + 1} is not valid CSV`,
        'Put a text that has a quote in it into quotes, and double the quote. A text in quotes ends on its line, at its end or before a comma.',
      )
    return [
      { line: n + 1, cells: cells.map(([, quoted, bare]) => quoted?.replaceAll('""', '"') ?? bare ?? '') },
    ]
  })
}

/** An error about the file, before anything was changed. */
const fileError = (path: string, problem: string, remedy?: string) =>
  usageError(`${sanitize(path)}: ${sanitize(problem)}; nothing was changed`, remedy)
