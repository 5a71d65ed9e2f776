import { hash, randomUUID } from 'node:crypto'
import { DAY_MS, DAY_SECONDS, MINUTE_MS } from '../../rotation/timeUnits.ts'
import type { Severity } from './alarm.ts'
import { itemIdOf, type LedgerItem, type LedgerTable } from './ledgerTable.ts'
import { OUTLETS, type Outlet, TOLD_ATTRIBUTES } from './outlets.ts'

/** Thrown if another call of the function is sending the same alarm. The event is handled again after that call's lease. */
export class AlarmClaimed extends Error {
  override readonly name = 'AlarmClaimed'
}

/** The right to send an alarm, and the outlets that have it. `claimedBy` is a UUID, or '' if the ledger could not be asked. */
export type Claim = { key: string; claimedBy: string; toldOutlets: Set<Outlet> }

/** The right to send a recovery, with the severities of the open failures, and the time of the last one. */
export type RecoveryClaim = Claim & { severities: Severity[]; failedAt: number }

/** Events with the same key and with times less than this apart tell of the same failure. */
const SAME_FAILURE_WINDOW_MS = 10 * MINUTE_MS
/** How long a claim lasts: as long as the function may run, and less than the visibility timeout of its queues. */
export const LEASE_MS = 60_000
/** How long a failure stays open if no rotation succeeds. */
const OPEN_FAILURE_SECONDS = 90 * DAY_SECONDS

/**
 * The record, in DynamoDB, of which alarms were sent. A claim is only a lease: a function that claims an alarm and dies before it
 * notes the sending delays the next try, but does not prevent it. So an alarm may be sent twice, but is never lost.
 *
 * Every write creates a complete item with its expiry, or has the claim in the item as its condition. An item without its fields
 * counts as missing, so an incomplete item can suppress no alarm.
 *
 * The argument `at` of the methods is when a failure or a recovery happened, in milliseconds since 1970. `toldOnlyOnce` is as in
 * Alarm. Methods throw what DynamoDB throws.
 */
export class Ledger {
  readonly #table: LedgerTable
  readonly #now: () => number

  constructor(table: LedgerTable, now = () => Date.now()) {
    this.#table = table
    this.#now = now
  }

  /** The same ledger, whose calls may take so many milliseconds in all, from now on. */
  withTimeout(milliseconds: number): Ledger {
    return new Ledger(this.#table.withTimeout(milliseconds), this.#now)
  }

  /** Whether every outlet has the alarm of failure `key`, whatever its severity. */
  async wasTold(key: string, at: number): Promise<boolean> {
    const item = await this.#table.get(key)
    return isToldToAll(item) && Math.abs(Number(item?.failedAt?.N) - at) <= SAME_FAILURE_WINDOW_MS
  }

  /**
   * Claims the right to send the alarm of a failure. A failure that was told as an error may be told again as critical.
   * @returns undefined if every outlet has the alarm
   * @throws AlarmClaimed another call has the claim
   */
  async claim(key: string, at: number, severity: Severity): Promise<Claim | undefined> {
    const claimedBy = randomUUID()
    // Items of the last release have no severity.
    const upgrade = severity === 'critical' ? ' OR severity = :error OR attribute_not_exists(severity)' : ''
    const old = await this.#table.put(
      {
        ...this.#item(key, at, DAY_SECONDS),
        severity: { S: severity },
        claimedBy: { S: claimedBy },
        ...this.#leaseAttributes(),
      },
      `attribute_not_exists(failedAt) OR failedAt < :from OR failedAt > :to${upgrade}`,
      {
        ':from': { N: `${at - SAME_FAILURE_WINDOW_MS}` },
        ':to': { N: `${at + SAME_FAILURE_WINDOW_MS}` },
        ...(upgrade && { ':error': { S: 'error' } }),
      },
    )
    if (!old) return { key, claimedBy, toldOutlets: new Set() }
    return isToldToAll(old) ? undefined : this.#takeOver(key, at, severity, claimedBy)
  }

  /** Notes that an outlet has the alarm. Nothing happens if another call has claimed the alarm since. */
  async markOutletTold({ key, claimedBy, toldOutlets }: Claim, outlet: Outlet): Promise<void> {
    toldOutlets.add(outlet)
    await this.#table.update(key, `SET ${TOLD_ATTRIBUTES[outlet]} = :true`, 'claimedBy = :by', {
      ':true': { BOOL: true },
      ':by': { S: claimedBy },
    })
  }

  /** Notes that every outlet has the alarm of a failure, for a further key of that failure. */
  async markTold(key: string, at: number): Promise<void> {
    await this.#table.put({ ...this.#item(key, at, DAY_SECONDS), toldAll: { BOOL: true } })
  }

  /** Notes that the report of a run tells of the rotation with this execution's name, together with the others of the group. */
  async assignToGroup(execution: string, group: string): Promise<void> {
    await this.#table.put({
      ...this.#item(`run of ${execution}`, this.#now(), DAY_SECONDS),
      group: { S: group },
    })
  }

  /**
   * Whether failure `key` is the first of its group, or belongs to none. Runs that find the same server down have the same group,
   * which is remembered for 90 days.
   */
  async isFirstOfGroup(execution: string, key: string): Promise<boolean> {
    const group = (await this.#table.get(`run of ${execution}`))?.group?.S
    return !group || this.#isFirst(`group ${group}`, key, OPEN_FAILURE_SECONDS)
  }

  /** Whether failure `key` is the first in 90 days that found the lockout `preexistingKey`. It stays the first if asked again. */
  isFirstToFind(preexistingKey: string, key: string): Promise<boolean> {
    return this.#isFirst(preexistingKey, key, OPEN_FAILURE_SECONDS)
  }

  /** Which of these findings were not told on the day of `at`, or if `toldOnlyOnce`, in its week and the week before. */
  async untoldFindings(names: string[], at: number, toldOnlyOnce = false): Promise<string[]> {
    const lists = toldOnlyOnce ? [weekListKey(at), weekListKey(at - WEEK_MS)] : [dayListKey(at)]
    const items = await Promise.all(lists.map(list => this.#table.get(list)))
    const told = new Set(items.flatMap(item => item?.names?.SS ?? []))
    return names.filter(name => !told.has(digest(name)))
  }

  /** Notes that these findings were told on the day of `at`, or if `toldOnlyOnce`, were told or found again in its week. */
  async markFindingsTold(names: string[], at: number, toldOnlyOnce = false): Promise<void> {
    if (!names.length) return
    await this.#table.update(
      toldOnlyOnce ? weekListKey(at) : dayListKey(at),
      'SET failedAt = :at, expiresAt = :expires ADD #names :names',
      undefined,
      {
        ':at': { N: `${at}` },
        ':expires': this.#expiry((toldOnlyOnce ? 15 : 2) * DAY_SECONDS),
        ':names': { SS: [...new Set(names.map(digest))] },
      },
      { '#names': 'names' },
    )
  }

  /** Undoes `markFindingsTold`, so that the findings are told again if they are found again. */
  async markFindingsUntold(names: string[], at: number, toldOnlyOnce = false): Promise<void> {
    const lists = toldOnlyOnce ? [weekListKey(at), weekListKey(at - WEEK_MS)] : [dayListKey(at)]
    const removeFrom = (list: string) =>
      this.#table.update(
        list,
        'DELETE #names :names',
        'attribute_exists(failedAt)',
        { ':names': { SS: names.map(digest) } },
        { '#names': 'names' },
      )
    await Promise.all(lists.map(removeFrom))
  }

  /**
   * Notes that a failure of a credential is open.
   * @param ofReplicas whether the failure is only that replicas do not follow
   * @returns false if a rotation has succeeded since, which ends the failure
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
      `SET failedAt = :at, expiresAt = :expires${more} ADD severities :severities REMOVE wellAt, ${Object.values(TOLD_ATTRIBUTES).join(', ')}, claimedBy, leasedUntil`,
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
   * Claims the right to send the recovery of a credential since `at`. It takes one call of DynamoDB.
   * @param ofReplicas whether only the replicas have recovered, which ends no other failure
   * @returns undefined if there is no open failure that the recovery ends
   * @throws AlarmClaimed another call has the claim
   */
  async claimRecovery(
    credential: string,
    at: number,
    ofReplicas = false,
  ): Promise<RecoveryClaim | undefined> {
    const key = `open ${credential}`
    const claimedBy = randomUUID()
    const now = { N: `${this.#now()}` }
    const found = await this.#table.update(
      key,
      'SET leasedUntil = :until, claimedBy = :by',
      `attribute_exists(failedAt) AND attribute_not_exists(wellAt) AND failedAt < :at AND expiresAt > :seconds AND (attribute_not_exists(leasedUntil) OR leasedUntil < :now)${ofReplicas ? ' AND attribute_not_exists(beyondReplicas)' : ''}`,
      {
        ':at': { N: `${at}` },
        ':seconds': this.#expiry(0),
        ':now': now,
        ':by': { S: claimedBy },
        ':until': this.#leaseAttributes().leasedUntil,
      },
      undefined,
      item => {
        const isLeased = Number(item?.leasedUntil?.N) >= Number(now.N) && !item?.wellAt
        if (ofReplicas && item?.beyondReplicas) return
        if (isLeased && Number(item?.failedAt?.N) < at) throw new AlarmClaimed(`${key}: is being told`)
      },
    )
    if (!found) return undefined
    const severities = (found.severities?.SS ?? []) as Severity[]
    return {
      key,
      claimedBy,
      toldOutlets: toldOutletsIn(found),
      severities,
      failedAt: Number(found.failedAt?.N),
    }
  }

  /** Notes that every outlet has the recovery of a credential, so that none of its failures is open any more. */
  async closeFailure({ key, claimedBy }: Claim, at: number): Promise<void> {
    await this.#table.update(
      key,
      // The item stays for a day, so that a failure that is told late finds the recovery.
      'SET wellAt = :at, expiresAt = :expires REMOVE severities, leasedUntil, beyondReplicas',
      'claimedBy = :by',
      { ':at': { N: `${at}` }, ':expires': this.#expiry(DAY_SECONDS), ':by': { S: claimedBy } },
    )
  }

  /** Releases a claim, so that the next try need not wait for the end of the lease. */
  async releaseClaim({ key, claimedBy }: Claim): Promise<void> {
    await this.#table.update(key, 'SET leasedUntil = :zero', 'claimedBy = :by', {
      ':zero': { N: '0' },
      ':by': { S: claimedBy },
    })
  }

  /** Takes over the claim of an alarm that is not at every outlet, if its lease has ended. @throws AlarmClaimed if not */
  async #takeOver(key: string, at: number, severity: Severity, claimedBy: string): Promise<Claim> {
    const item = await this.#table.update(
      key,
      // All fields, as the item may have expired just now.
      'SET leasedUntil = :until, claimedBy = :by, expiresAt = :expires, failedAt = if_not_exists(failedAt, :at), severity = if_not_exists(severity, :severity)',
      'attribute_not_exists(leasedUntil) OR leasedUntil < :now',
      {
        ':until': this.#leaseAttributes().leasedUntil,
        ':by': { S: claimedBy },
        ':expires': this.#expiry(DAY_SECONDS),
        ':at': { N: `${at}` },
        ':severity': { S: severity },
        ':now': { N: `${this.#now()}` },
      },
    )
    if (!item) throw new AlarmClaimed(`${key}: is being told`)
    return { key, claimedBy, toldOutlets: toldOutletsIn(item) }
  }

  /** Whether failure `key` is the first that asked for item `id` within so many seconds. It stays the first if asked again. */
  async #isFirst(id: string, key: string, seconds: number): Promise<boolean> {
    const old = await this.#table.put(
      { ...this.#item(id, this.#now(), seconds), leader: { S: itemIdOf(key) } },
      // DynamoDB deletes an expired item only within a few days:
      // https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_UpdateTimeToLive.html
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

const toldOutletsIn = (item: LedgerItem): Set<Outlet> =>
  new Set(OUTLETS.filter(outlet => item[TOLD_ATTRIBUTES[outlet]]?.BOOL))
/** Whether every outlet has the alarm. `markTold` writes only `toldAll`, as the last release did for every alarm. */
const isToldToAll = (item: LedgerItem | undefined) =>
  Boolean(item && (item.toldAll?.BOOL || toldOutletsIn(item).size === OUTLETS.length))

/** A short hash of a name, so that the list of a day fits into one item however many credentials are late. */
const digest = (name: string) => hash('sha256', name, 'base64url').slice(0, 12)
const WEEK_MS = 7 * DAY_MS
const weekListKey = (at: number) => `promoted in week ${Math.floor(at / WEEK_MS)}`
const dayListKey = (at: number) => `late on ${new Date(at).toISOString().slice(0, 10)}`
