import type { StoreName } from '../../../rotation/stores/store.ts'
import { DAY_MS } from '../../../rotation/timeUnits.ts'
import { countReadingRotations } from '../../readers/noReads.ts'
import type { EditRecord } from '../../records/editRecord.ts'
import { editsPartitionKeyOf, partitionKeyOf, RecordTable } from '../../records/recordTable.ts'
import type { RotationRecord } from '../../records/rotationRecord.ts'
import type { DayOfRotations, EditFacts, Fact, HistoryFacts, RotationFacts } from '../facts.ts'
import { factOf } from './awsReader.ts'
import { rateLimitedClients } from './clients.ts'
import type { Collector } from './collector.ts'

/** How many rotations of a credential are kept, and for how many days rotations are counted. */
const [KEPT_ROTATION_COUNT, COUNTED_DAYS] = [10, 90]

/** The fields of a record that are read: those that the facts need. */
const RECORD_FIELDS = [
  ...['began', 'ended', 'outcome', 'milliseconds', 'error', 'step', 'strategy', 'engine', 'host', 'user'],
  ...['admin', 'retirement', 'openUntil', 'behindSince', 'execution'],
  ...['version', 'made', 'passwordSince'],
] as const

type DayCounts = { rotated: number; failed: number; milliseconds: number[] }

/** What the tables of all Regions have: each credential's newest rotations and latest edit, and how many rotations each day had. */
export class RotationHistories {
  readonly #moment: string
  /** The beginning of the days that are counted. */
  readonly #from: string
  /** The newest rotations of each credential, by Region and then by the table's partition key. */
  readonly #newest = new Map<string, Map<string, RotationFacts[]>>()
  /** The latest edit of each credential, by Region and then by the partition key of its edits. */
  readonly #edits = new Map<string, Map<string, EditFacts>>()
  /** Whether the table of each Region could be read. */
  readonly #read = new Map<string, Fact<'all'>>()
  readonly #days = new Map<string, DayCounts>()
  /** Keeps each text once: very many records have the same few texts, such as names of hosts. */
  readonly #texts = new Map<string, string>()

  constructor(moment: string) {
    this.#moment = moment
    this.#from = new Date(Date.parse(moment) - COUNTED_DAYS * DAY_MS).toISOString()
  }

  /** Reads the table of a Region page by page. The pages are not kept: a resumed audit reads them again, as that is fast. */
  async readTable(collector: Collector, region: string, table: string): Promise<void> {
    const newest = new Map<string, RotationFacts[]>()
    this.#newest.set(region, newest)
    const edits = new Map<string, EditFacts>()
    this.#edits.set(region, edits)
    const kind = { service: 'dynamodb', operation: 'Scan', region } as const
    const all = await factOf(
      (async () => {
        const client = await rateLimitedClients(collector, region).dynamo()
        const pages = new RecordTable(client, table).scanPages(RECORD_FIELDS)
        for (;;) {
          const page = await collector.reader.read(kind, () => pages.next())
          if (page.done) return 'all' as const
          for (const { credential, record } of page.value) {
            this.#addRecord(newest, credential, record)
            keepLatest(edits, credential, record)
          }
          collector.reportProgress('page', 1)
        }
      })(),
    )
    this.#read.set(region, all)
  }

  /** Notes that the table of a Region could not be read, and the reason. */
  markUnread(region: string, why: string): void {
    this.#read.set(region, { unread: why })
  }

  /** The newest rotations and the latest edit of one credential. In a Region without a table, a credential has none. */
  historyOf(region: string, store: StoreName, arn: string, name: string): Fact<HistoryFacts> {
    const all = this.#read.get(region)
    if (all && 'unread' in all) return all
    const newest = this.#newest.get(region)
    const keys = [
      partitionKeyOf(store, arn),
      ...(store === 'secrets-manager' ? [partitionKeyOf(store, name)] : []),
    ]
    const rotations = keys.flatMap(key => newest?.get(key) ?? []).sort(latestFirst)
    const edit = this.#edits.get(region)?.get(editsPartitionKeyOf(partitionKeyOf(store, arn)))
    return { is: { rotations: rotations.slice(0, KEPT_ROTATION_COUNT), ...(edit && { edit }) } }
  }

  /** How many rotations of a Region have read their credentials since a time. Only the newest of each credential are counted. */
  countReadingRotations(region: string, since: string): Fact<number> {
    const all = this.#read.get(region)
    if (all && 'unread' in all) return all
    const rotations = [...(this.#newest.get(region)?.values() ?? [])].flat()
    return { is: countReadingRotations(rotations, since, this.#moment) }
  }

  /** The rotations of all Regions by day, the oldest first. It is unread if one of the tables is. */
  rotationsByDay(): Fact<DayOfRotations[]> {
    const unread = [...this.#read.values()].find(all => 'unread' in all)
    if (unread && 'unread' in unread) return unread
    const days = [...this.#days].sort(([a], [b]) => (a < b ? -1 : 1))
    return {
      is: days.map(([day, { rotated, failed, milliseconds }]) => ({
        day,
        rotated,
        failed,
        ...(milliseconds.length && { medianMilliseconds: medianOf(milliseconds) }),
      })),
    }
  }

  /** Counts a rotation, and keeps it if it is one of the newest of its credential. */
  #addRecord(
    newest: Map<string, RotationFacts[]>,
    credential: string,
    record: Partial<RotationRecord>,
  ): void {
    const { began, outcome, execution } = record
    if (!began || !outcome || !execution || began > this.#moment) return
    this.#count(record)
    const list = newest.get(credential) ?? []
    newest.set(credential, list)
    const last = list[KEPT_ROTATION_COUNT - 1]
    if (last && last.began >= began) return
    const rotation = { ...record, began, outcome, execution }
    for (const [field, text] of Object.entries(rotation))
      if (typeof text === 'string') Object.assign(rotation, { [field]: this.#shared(text) })
    list.push(rotation)
    list.sort(latestFirst)
    list.length = Math.min(list.length, KEPT_ROTATION_COUNT)
  }

  #count({ ended, outcome, milliseconds }: Partial<RotationRecord>): void {
    if (!ended || outcome === 'running' || ended < this.#from || ended > this.#moment) return
    const day = ended.slice(0, 10)
    const counts = this.#days.get(day) ?? { rotated: 0, failed: 0, milliseconds: [] }
    this.#days.set(day, counts)
    counts[outcome === 'rotated' ? 'rotated' : 'failed'] += 1
    if (outcome === 'rotated' && milliseconds !== undefined) counts.milliseconds.push(milliseconds)
  }

  /** The same text, as one string for all records. */
  #shared(text: string): string {
    const known = this.#texts.get(text)
    if (known === undefined) this.#texts.set(text, text)
    return known ?? text
  }
}

function keepLatest(
  edits: Map<string, EditFacts>,
  credential: string,
  { version, made, passwordSince }: Partial<EditRecord>,
): void {
  if (!version || !made || !passwordSince) return
  const before = edits.get(credential)
  if (!before || before.made < made) edits.set(credential, { version, made, passwordSince })
}

const latestFirst = (a: RotationFacts, b: RotationFacts) =>
  a.began === b.began ? (a.execution < b.execution ? 1 : -1) : a.began < b.began ? 1 : -1

/** The median; of an even count of numbers, the lower of the two in the middle. */
function medianOf(numbers: number[]): number {
  const sorted = numbers.toSorted((a, b) => a - b)
  return sorted[Math.floor((sorted.length - 1) / 2)] ?? 0
}
