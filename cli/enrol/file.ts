import { CommandError, EXIT } from '../exit.ts'
import { readTextFile } from '../files.ts'
import { sanitize } from '../output.ts'
import { type RotationWish, requireConsistentWish, WISH_FLAGS } from './wish.ts'

/** Bytes of a file, and lines of it. */
const [MAX_FILE_BYTES, MAX_LINE_COUNT] = [1024 * 1024, 2000]

/** One line of a file: which credential, and how. `place` is how somebody finds the line. */
export type EnrolRequest = { id: string; wish: RotationWish; linePlace: string }

/** A line as it is written, by the names of its fields. */
type FileRow = { place: string; fields: Record<string, unknown> }

/** The fields of a line, by the options that they are. */
const wishKeys = Object.fromEntries(
  Object.entries(WISH_FLAGS).map(([key, flag]) => [flag.slice(2), key as keyof RotationWish]),
)

/**
 * The credentials in a file: CSV with a head, a JSON array, or a JSON object a line. The fields have the names of the options,
 * and `id`. `usual` is what a line has that does not say otherwise.
 * @throws CommandError that names the file and the line
 */
export async function readEnrolFile(path: string, usual: RotationWish): Promise<EnrolRequest[]> {
  const text = (await readTextFile(path, '--from', MAX_FILE_BYTES)).replace(/^\ufeff/, '')
  const rows = /\.csv$/i.test(path) ? csvRows(path, text) : jsonRows(path, text)
  if (!rows.length) throw fileError(path, 'it has no credential', 'See docs/enrol.md, "Many at once".')
  if (rows.length > MAX_LINE_COUNT)
    throw fileError(path, `it has more than ${MAX_LINE_COUNT} lines`, 'Enrol them in parts.')
  const asked = rows.map(row => requestOfRow(path, row, usual))
  const ids = new Map<string, string>()
  for (const { id, linePlace } of asked) {
    const before = ids.get(id)
    if (before) throw fileError(path, `${linePlace} has the id of ${before}`, 'Leave one of them out.')
    ids.set(id, linePlace)
  }
  return asked
}

function requestOfRow(
  path: string,
  { place, fields: { id, ...given } }: FileRow,
  usual: RotationWish,
): EnrolRequest {
  if (typeof id !== 'string' || !id)
    throw fileError(
      path,
      `${place} has no id`,
      'An id is an ARN, secret:NAME, parameter:NAME, or a name alone.',
    )
  const own = Object.fromEntries(
    Object.entries(given)
      .filter(([, value]) => value !== '' && value !== null)
      .map(([name, value]) => fieldOf(path, place, name, value)),
  )
  const wish: RotationWish = { ...withoutTimes(usual, own), ...own }
  try {
    requireConsistentWish(wish)
  } catch (error) {
    if (!(error instanceof CommandError)) throw error
    throw fileError(path, `${place}: ${error.message}`, error.remedy)
  }
  return { id, wish, linePlace: place }
}

/** One field of a line, as an option has it. */
function fieldOf(path: string, place: string, name: string, value: unknown): [string, string | boolean] {
  const field = wishKeys[name]
  if (!field)
    throw fileError(
      path,
      `${place} has a field ${sanitize(name)}`,
      `There are id, ${Object.keys(wishKeys).join(', ')}.`,
    )
  if (field === 'now') return [field, parseBoolean(path, place, value)]
  if (typeof value === 'string') return [field, value]
  throw fileError(path, `${place}: ${name} should be a text`, 'Put it in quotes.')
}

/** What a line says of when it rotates goes before all that the options say of that. */
function withoutTimes(usual: RotationWish, own: RotationWish): RotationWish {
  if (!own.every && !own.schedule) return usual
  const { every: _, window: __, jitter: ___, schedule: ____, duration: _____, ...others } = usual
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
  const parts: [string, string][] = isArray
    ? [['the file', text]]
    : text.split('\n').flatMap((line, n) => (line.trim() ? [[`line ${n + 1}`, line]] : []))
  const parsed = parts.flatMap(([place, part]): [string, unknown][] => {
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

/** The lines of RFC 4180 that are not empty, each with its number in the file. */
function csvLines(path: string, text: string): CsvLine[] {
  return text.split(/\r?\n/).flatMap((line, n) => {
    if (!line.trim()) return []
    const cells = [...`,${line}`.matchAll(/,(?:"((?:[^"]|"")*)"|([^",]*))/g)]
    const length = cells.reduce((sum, [whole]) => sum + whole.length, 0)
    if (length !== line.length + 1)
      throw fileError(
        path,
        `line ${n + 1} is no line of CSV`,
        'A text in quotes ends on its line, with a comma behind it.',
      )
    return [
      { line: n + 1, cells: cells.map(([, quoted, bare]) => quoted?.replaceAll('""', '"') ?? bare ?? '') },
    ]
  })
}

const fileError = (path: string, problem: string, remedy?: string) =>
  new CommandError(EXIT.usage, `${sanitize(path)}: ${sanitize(problem)}; nothing was changed`, remedy)
