import { hash, randomUUID } from 'node:crypto'
import type { Severity } from './alarm.ts'
import { itemIdOf, type LedgerItem, type LedgerTable } from './ledgerTable.ts'

/** Another invocation is telling of the same failure right now. Try again after its lease. */
export class AlarmClaimed extends Error {
  override readonly name = 'AlarmClaimed'
}

export const OUTLETS = ['topic', 'webhook'] as const
export type Outlet = (typeof OUTLETS)[number]
/** The right to tell of a failure, and the outlets that know of it already. */
export type Claim = { key: string; claimedBy: string; toldOutlets: Set<Outlet> }

/** The right to tell that a credential is well again: what is open, and since when. */
export type RecoveryClaim = Claim & { severities: Severity[]; failedAt: number }

/** Milliseconds. Events of one failure have times this close to each other. A later one is another failure. */
const SAME_FAILURE_WINDOW_MS = 10 * 60_000
/** Milliseconds. As long as the function may run, and less than its queues hide what it has taken. */
export const LEASE_MS = 60_000
/** Seconds. When DynamoDB may forget: after every try of an event. */
const DAY_SECONDS = 24 * 3600
/** Seconds. As long as a failure stays open that no rotation has made up for. */
const OPEN_FAILURE_SECONDS = 90 * DAY_SECONDS

/**
 * Remembers in DynamoDB which failures were told. A claim is a lease and no more: who claims, and dies before the
 * telling is noted, only delays the next try. So a failure may be told twice in a bad hour, but never not at all.
 *
 * Every write makes a whole item, with its expiry, or asks for the claim that is in it. An item that lacks its fields
 * counts as none: nothing that is left half-written can silence a key.
 */
export class Ledger {
  readonly #table: LedgerTable
  readonly #now: () => number

  constructor(table: LedgerTable, now = () => Date.now()) {
    this.#table = table
    this.#now = now
  }

  /** The same ledger, whose calls have so many milliseconds in all. */
  withTimeout(milliseconds: number): Ledger {
    return new Ledger(this.#table.withTimeout(milliseconds), this.#now)
  }

  /** Whether failure `key` of the time `at` was told to everybody, as whatever severity. */
  async wasTold(key: string, at: number): Promise<boolean> {
    const item = await this.#table.get(key)
    return isToldToAll(item) && Math.abs(Number(item?.failedAt?.N) - at) <= SAME_FAILURE_WINDOW_MS
  }

  /**
   * Claims the telling of a failure which happened `at`. What was told as an error may be told again as critical.
   * @returns undefined if everybody was told
   * @throws AlarmClaimed, and whatever DynamoDB throws
   */
  async claim(key: string, at: number, severity: Severity): Promise<Claim | undefined> {
    const by = randomUUID()
    // The last release noted no severity.
    const upgrade = severity === 'critical' ? ' OR severity = :error OR attribute_not_exists(severity)' : ''
    const old = await this.#table.put(
      {
        ...this.#item(key, at, DAY_SECONDS),
        severity: { S: severity },
        claimedBy: { S: by },
        ...this.#leaseAttributes(),
      },
      `attribute_not_exists(failedAt) OR failedAt < :from OR failedAt > :to${upgrade}`,
      {
        ':from': { N: `${at - SAME_FAILURE_WINDOW_MS}` },
        ':to': { N: `${at + SAME_FAILURE_WINDOW_MS}` },
        ...(upgrade && { ':error': { S: 'error' } }),
      },
    )
    if (!old) return { key, claimedBy: by, toldOutlets: new Set() }
    return isToldToAll(old) ? undefined : this.#takeOver(key, at, severity, by)
  }

  /** Notes that an outlet was told. Nothing happens if another has claimed it since. */
  async markOutletTold({ key, claimedBy, toldOutlets }: Claim, outlet: Outlet): Promise<void> {
    toldOutlets.add(outlet)
    await this.#table.update(key, `SET ${TOLD_ATTRIBUTES[outlet]} = :true`, 'claimedBy = :by', {
      ':true': { BOOL: true },
      ':by': { S: claimedBy },
    })
  }

  /** Notes that everybody was told of this failure, under another name that it has. */
  async markTold(key: string, at: number): Promise<void> {
    await this.#table.put({ ...this.#item(key, at, DAY_SECONDS), toldAll: { BOOL: true } })
  }

  /** Writes that a run reports on a rotation, by the name of its execution, and with which others. */
  async assignToGroup(execution: string, group: string): Promise<void> {
    await this.#table.put({
      ...this.#item(`run of ${execution}`, this.#now(), DAY_SECONDS),
      group: { S: group },
    })
  }

  /**
   * Whether failure `key` is the first of those that the same run reports on; true if no run does. Runs that find the same
   * server down report as one, for 90 days.
   */
  async isFirstOfGroup(execution: string, key: string): Promise<boolean> {
    const group = (await this.#table.get(`run of ${execution}`))?.group?.S
    return !group || this.#isFirst(`group ${group}`, key, OPEN_FAILURE_SECONDS)
  }

  /** Whether failure `key` is the first that found what `standing` names, in 90 days. Asked again, it still is. */
  isFirstToFind(standing: string, key: string): Promise<boolean> {
    return this.#isFirst(standing, key, OPEN_FAILURE_SECONDS)
  }

  /** Which of these names were not told on the day of `at`; if `lasting`, in its week and the one before. */
  async untoldFindings(names: string[], at: number, lasting = false): Promise<string[]> {
    const lists = lasting ? [weekListKey(at), weekListKey(at - WEEK_MS)] : [dayListKey(at)]
    const items = await Promise.all(lists.map(list => this.#table.get(list)))
    const heard = new Set(items.flatMap(item => item?.names?.SS ?? []))
    return names.filter(name => !heard.has(digest(name)))
  }

  /** Notes that these names were told; if `lasting`, or found once more. */
  async markFindingsTold(names: string[], at: number, lasting = false): Promise<void> {
    if (!names.length) return
    await this.#table.update(
      lasting ? weekListKey(at) : dayListKey(at),
      'SET failedAt = :at, expiresAt = :expires ADD #names :names',
      undefined,
      {
        ':at': { N: `${at}` },
        ':expires': this.#expiry((lasting ? 15 : 2) * DAY_SECONDS),
        ':names': { SS: [...new Set(names.map(digest))] },
      },
      { '#names': 'names' },
    )
  }

  /** Notes that these names count as not told on the day of `at`, if any was; if `lasting`, in the weeks. */
  async markFindingsUntold(names: string[], at: number, lasting = false): Promise<void> {
    const lists = lasting ? [weekListKey(at), weekListKey(at - WEEK_MS)] : [dayListKey(at)]
    const forgetIn = (list: string) =>
      this.#table.update(
        list,
        'DELETE #names :names',
        'attribute_exists(failedAt)',
        { ':names': { SS: names.map(digest) } },
        { '#names': 'names' },
      )
    await Promise.all(lists.map(forgetIn))
  }

  /**
   * Notes that a failure of a credential is open; `replicaFindingsOf`: it is only that replicas do not follow.
   * @returns false if a rotation has made up for it since
   */
  async openFailure(
    credential: string,
    at: number,
    severity: Severity,
    ofReplicas = false,
  ): Promise<boolean> {
    const more = ofReplicas ? '' : ', beyondReplicas = :true'
    const updated = await this.#table.update(
      `open ${credential}`,
      `SET failedAt = :at, expiresAt = :expires${more} ADD severities :severities REMOVE wellAt, toldTopic, toldWebhook, claimedBy, leasedUntil`,
      'attribute_not_exists(wellAt) OR wellAt < :at',
      {
        ...(more && { ':true': { BOOL: true } }),
        ':at': { N: `${at}` },
        ':expires': this.#expiry(OPEN_FAILURE_SECONDS),
        ':severities': { SS: [severity] },
      },
    )
    return Boolean(updated)
  }

  /**
   * Claims the telling that a credential is well again since `at`: one call if nothing is open. `replicaFindingsOf`: only its
   * replicas are, which an earlier rotation may have waited for.
   * @returns undefined if nothing is open, or something else
   * @throws AlarmClaimed
   */
  async claimRecovery(
    credential: string,
    at: number,
    ofReplicas = false,
  ): Promise<RecoveryClaim | undefined> {
    const key = `open ${credential}`
    const by = randomUUID()
    const now = { N: `${this.#now()}` }
    const found = await this.#table.update(
      key,
      'SET leasedUntil = :until, claimedBy = :by',
      `attribute_exists(failedAt) AND attribute_not_exists(wellAt) AND failedAt < :at AND expiresAt > :seconds AND (attribute_not_exists(leasedUntil) OR leasedUntil < :now)${ofReplicas ? ' AND attribute_not_exists(beyondReplicas)' : ''}`,
      {
        ':at': { N: `${at}` },
        ':seconds': this.#expiry(0),
        ':now': now,
        ':by': { S: by },
        ':until': this.#leaseAttributes().leasedUntil,
      },
      undefined,
      item => {
        const leased = Number(item?.leasedUntil?.N) >= Number(now.N) && !item?.wellAt
        if (ofReplicas && item?.beyondReplicas) return
        if (leased && Number(item?.failedAt?.N) < at) throw new AlarmClaimed(`${key}: is being told`)
      },
    )
    if (!found) return undefined
    const severities = (found.severities?.SS ?? []) as Severity[]
    return {
      key,
      claimedBy: by,
      toldOutlets: toldOutletsIn(found),
      severities,
      failedAt: Number(found.failedAt?.N),
    }
  }

  /** Notes that everybody knows that a credential is well again. */
  async closeFailure({ key, claimedBy }: Claim, at: number): Promise<void> {
    await this.#table.update(
      key,
      // It stays for a day: a failure that is told late finds that it was made up for.
      'SET wellAt = :at, expiresAt = :expires REMOVE severities, leasedUntil, beyondReplicas',
      'claimedBy = :by',
      { ':at': { N: `${at}` }, ':expires': this.#expiry(DAY_SECONDS), ':by': { S: claimedBy } },
    )
  }

  /** Lets a claim go, so that the next try need not wait for its lease. */
  async releaseClaim({ key, claimedBy }: Claim): Promise<void> {
    await this.#table.update(key, 'SET leasedUntil = :zero', 'claimedBy = :by', {
      ':zero': { N: '0' },
      ':by': { S: claimedBy },
    })
  }

  async #takeOver(key: string, at: number, severity: Severity, by: string): Promise<Claim> {
    const item = await this.#table.update(
      key,
      // Whole, should it have expired just now.
      'SET leasedUntil = :until, claimedBy = :by, expiresAt = :expires, failedAt = if_not_exists(failedAt, :at), severity = if_not_exists(severity, :severity)',
      'attribute_not_exists(leasedUntil) OR leasedUntil < :now',
      {
        ':until': this.#leaseAttributes().leasedUntil,
        ':by': { S: by },
        ':expires': this.#expiry(DAY_SECONDS),
        ':at': { N: `${at}` },
        ':severity': { S: severity },
        ':now': { N: `${this.#now()}` },
      },
    )
    if (!item) throw new AlarmClaimed(`${key}: is being told`)
    return { key, claimedBy: by, toldOutlets: toldOutletsIn(item) }
  }

  async #isFirst(id: string, key: string, seconds: number): Promise<boolean> {
    const old = await this.#table.put(
      { ...this.#item(id, this.#now(), seconds), leader: { S: itemIdOf(key) } },
      // DynamoDB may take days to forget.
      'attribute_not_exists(leader) OR leader = :leader OR expiresAt < :now',
      { ':leader': { S: itemIdOf(key) }, ':now': this.#expiry(0) },
    )
    return !old
  }

  #leaseAttributes = () => ({ leasedUntil: { N: `${this.#now() + LEASE_MS}` } })
  #expiry = (seconds: number) => ({ N: `${Math.ceil(this.#now() / 1000) + seconds}` })
  #item = (key: string, at: number, seconds: number): LedgerItem => ({
    id: { S: itemIdOf(key) },
    failedAt: { N: `${at}` },
    expiresAt: this.#expiry(seconds),
  })
}

const TOLD_ATTRIBUTES = { topic: 'toldTopic', webhook: 'toldWebhook' } satisfies Record<Outlet, string>
const toldOutletsIn = (item: LedgerItem): Set<Outlet> =>
  new Set((Object.keys(TOLD_ATTRIBUTES) as Outlet[]).filter(outlet => item[TOLD_ATTRIBUTES[outlet]]?.BOOL))
/** `toldAll` alone is what the last release wrote as well. */
const isToldToAll = (item: LedgerItem | undefined) =>
  Boolean(item?.toldAll?.BOOL || (item?.toldTopic?.BOOL && item.toldWebhook?.BOOL))

/** A day's list has to fit into one item, however many are late. */
const digest = (name: string) => hash('sha256', name, 'base64url').slice(0, 12)
/** Milliseconds. */
const WEEK_MS = 7 * DAY_SECONDS * 1000
const weekListKey = (at: number) => `promoted in week ${Math.floor(at / WEEK_MS)}`
const dayListKey = (at: number) => `late on ${new Date(at).toISOString().slice(0, 10)}`
