import { randomUUID } from 'node:crypto'
import {
  CreateSecretCommand,
  DescribeSecretCommand,
  GetSecretValueCommand,
  PutSecretValueCommand,
  ResourceNotFoundException,
  UpdateSecretVersionStageCommand,
} from '@aws-sdk/client-secrets-manager'
import type { Embedded } from '../../../local/embedded/embedded.ts'
import { runRotation, type Tasks } from '../../../local/embedded/stateMachine.ts'
import { type App, randomHex } from '../../../local/servers/postgresDatabase.ts'
import { Credential } from '../../../rotation/credential.ts'
import { cloneNameOf, type Database } from './databases.ts'
import { type HalfDone, keyOf, type Start, VALUE_NAMES, type ValueName } from './halfDone.ts'

/** What all subjects of one kind of rotation on one server have in common. */
export type SubjectSetting = {
  embedded: Embedded
  database: Database
  strategy: HalfDone['strategy']
  start: Start
  app: App
  /** ARN of the admin's secret, if the strategy needs one. */
  admin: string | undefined
}

/** Makes a setting: a user in the database, and the admin's secret if the strategy needs one. */
export async function makeSetting(
  embedded: Embedded,
  database: Database,
  strategy: HalfDone['strategy'],
  start: Start,
): Promise<SubjectSetting> {
  const app = await database.makeApp()
  const tags = { 'keyturn:admin': 'true' }
  const admin =
    strategy === 'alternating-users'
      ? await embedded.users.valueStore.put(`official/${app.admin.username}`, app.admin.serialize(), tags)
      : undefined
  return { embedded, database, strategy, start, app, admin }
}

/**
 * Whether something is wrong with a secret: `lockedOut` if current does not log in, even if another stored value does; `stuck` if a
 * version other than current is pending. AWS's functions leave the pending label on current.
 */
export type Verdict = { lockedOut: boolean; stuck: boolean }

/** A secret and its database users, in a known state, which AWS's functions and Keyturn rotate. */
export class Subject {
  /** ARN of the secret. */
  readonly secret: string
  readonly #setting: SubjectSetting
  /** The token of the version that holds each value. */
  readonly #tokens = new Map<ValueName, string>()

  private constructor(setting: SubjectSetting, secret: string) {
    this.#setting = setting
    this.secret = secret
  }

  /** Makes a new secret, and puts the setting's users into the state of its `start`. */
  static async create(setting: SubjectSetting): Promise<Subject> {
    const { embedded, database, strategy, start, app, admin } = setting
    const userCredential = Credential.parse(
      JSON.stringify({ ...JSON.parse(app.current.serialize()), masterarn: admin }),
    )
    const hasClone = strategy === 'alternating-users'
    const otherUsername = hasClone ? cloneNameOf(app) : app.user
    const otherCredential = userCredential.with({
      username: otherUsername,
      password: `other-${randomHex(12)}`,
    })
    const valuesByStart = {
      first: [userCredential],
      settled: [otherCredential, userCredential],
      'on the clone': [userCredential, otherCredential],
    }
    const [first, ...later] = valuesByStart[start]

    await database.dropClone(app)
    await database.setPassword(userCredential)
    if (hasClone && later.length) {
      await database.makeClone(app, await database.grantsOfCompleteClone(app))
      await database.setPassword(otherCredential)
    }

    const tags = { 'keyturn:managed': 'true', 'keyturn:strategy': strategy }
    const token = randomUUID()
    const { ARN = '' } = await embedded.secrets.send(
      new CreateSecretCommand({
        Name: `official/${token}`,
        ClientRequestToken: token,
        SecretString: first?.serialize(),
        Tags: Object.entries(tags).map(([Key, Value]) => ({ Key, Value })),
      }),
    )
    const subject = new Subject(setting, ARN)
    subject.#tokens.set(later.length ? 'before' : 'current', token)
    for (const value of later) await subject.#put('current', value, ['AWSCURRENT'])
    return subject
  }

  /** Adds a pending version without a value, as Secrets Manager does at the start of a rotation. @returns its token */
  announceRotation(): string {
    const { embedded } = this.#setting
    const token = embedded.secretsManager.stagePending(this.secret)
    this.#tokens.set('new', token)
    return token
  }

  /** Puts the secret and its users into a recorded state. @throws Error if `readState` then finds another one */
  async restoreState(state: HalfDone): Promise<void> {
    const { database, app } = this.#setting
    if (state.labels.new) this.announceRotation()
    const current = await this.#read('current')
    const newIsForClone = state.strategy === 'alternating-users' && state.start !== 'on the clone'
    const username = newIsForClone ? cloneNameOf(app) : app.user
    if (!state.valueless && current)
      await this.#put('new', current.with({ username, password: `new-${randomHex(12)}` }), ['AWSPENDING'])
    if (state.labels.new?.includes('AWSCURRENT')) await this.#promote()
    await this.#setPassword(app.user, state.user)
    if (state.clone) {
      const all = await database.grantsOfCompleteClone(app)
      const grants = { nothing: [], part: all.slice(0, 1), all }[state.clone.may]
      await database.dropClone(app)
      await database.makeClone(app, grants)
      await this.#setPassword(cloneNameOf(app), state.clone.password)
    }
    const found = await this.readState()
    if (keyOf(found) !== keyOf(state))
      throw new Error(`the state could not be made: ${keyOf(state)}, and is ${keyOf(found)}`)
  }

  /** Reads the state of the secret and its users. */
  async readState(): Promise<HalfDone> {
    const { database, strategy, start, app } = this.#setting
    const stages = await this.#stages()
    const labels: HalfDone['labels'] = {}
    for (const [value, token] of this.#tokens) if (stages[token]?.length) labels[value] = stages[token]
    const user = await this.#valueOf(app.user)
    const grants = await database.grantsOf(cloneNameOf(app))
    const clone = grants && {
      password: await this.#valueOf(cloneNameOf(app)),
      may: shareOf(grants, await database.grantsOfCompleteClone(app)),
    }
    const valueless = this.#tokens.has('new') && !(await this.#read('new'))
    // As JSON, without the members that are undefined: so are the states recorded.
    return JSON.parse(
      JSON.stringify({
        engine: database.engine,
        strategy,
        start,
        labels,
        valueless: valueless || undefined,
        user,
        clone,
      }),
    )
  }

  /** Looks whether current logs in, and whether a version other than current is pending. */
  async judge(): Promise<Verdict> {
    const { database } = this.#setting
    const stages = Object.values(await this.#stages())
    const current = await this.#readBy({ VersionStage: 'AWSCURRENT' })
    return {
      lockedOut: !current || !(await database.admits(current)),
      stuck: stages.some(labels => labels.includes('AWSPENDING') && !labels.includes('AWSCURRENT')),
    }
  }

  /**
   * Rotates by Keyturn.
   * @param again true: tries the version again that announceRotation or restoreState made, by its token
   * @returns the name of the error, if the execution failed
   */
  async rotate(tasks: Tasks = this.#setting.embedded.tasks, again = false): Promise<string | undefined> {
    const token = (again && this.#tokens.get('new')) || randomUUID()
    const input = { store: 'secrets-manager', id: this.secret }
    const { failure } = await runRotation(tasks, token, input)
    return failure?.error
  }

  /** The staging labels of each version, by its id. */
  async #stages(): Promise<Record<string, string[]>> {
    const { secrets } = this.#setting.embedded
    const { VersionIdsToStages } = await secrets.send(new DescribeSecretCommand({ SecretId: this.secret }))
    return VersionIdsToStages ?? {}
  }

  /** The value whose password this user has. */
  async #valueOf(user: string): Promise<ValueName | undefined> {
    for (const value of VALUE_NAMES.toReversed()) {
      const credential = await this.#read(value)
      // The login names no database, as an incomplete clone may not be allowed to connect to it.
      const login = credential?.with({ dbname: undefined })
      if (login?.username === user && (await this.#setting.database.admits(login))) return value
    }
    return undefined
  }

  /** Sets the user's password to that of a value, which is for the same user; without `value` to one that no version has. */
  async #setPassword(username: string, value: ValueName | undefined): Promise<void> {
    const credential = value
      ? await this.#read(value)
      : (await this.#read('current'))?.with({ username, password: randomHex(12) })
    if (credential) await this.#setting.database.setPassword(credential)
  }

  /** Reads a value, if its version exists and has one. */
  async #read(value: ValueName): Promise<Credential | undefined> {
    const VersionId = this.#tokens.get(value)
    return VersionId ? this.#readBy({ VersionId }) : undefined
  }

  async #readBy(which: { VersionId: string } | { VersionStage: string }): Promise<Credential | undefined> {
    const { secrets } = this.#setting.embedded
    try {
      const command = new GetSecretValueCommand({ SecretId: this.secret, ...which })
      return Credential.parse((await secrets.send(command)).SecretString ?? '')
    } catch (error) {
      if (error instanceof ResourceNotFoundException) return undefined
      throw error
    }
  }

  /** Writes a value into its version, which is made if it does not exist. */
  async #put(value: ValueName, credential: Credential, VersionStages: string[]): Promise<void> {
    const token = this.#tokens.get(value) ?? randomUUID()
    this.#tokens.set(value, token)
    const version = { SecretId: this.secret, ClientRequestToken: token, SecretString: credential.serialize() }
    await this.#setting.embedded.secrets.send(new PutSecretValueCommand({ ...version, VersionStages }))
  }

  /** Moves AWSCURRENT to the new version. */
  async #promote(): Promise<void> {
    const [MoveToVersionId, RemoveFromVersionId] = [this.#tokens.get('new'), this.#tokens.get('current')]
    const move = { SecretId: this.secret, VersionStage: 'AWSCURRENT', MoveToVersionId, RemoveFromVersionId }
    await this.#setting.embedded.secrets.send(new UpdateSecretVersionStageCommand(move))
  }
}

/** How many of all grants these are. */
function shareOf(grants: string[], all: string[]): 'nothing' | 'part' | 'all' {
  const held = all.filter(grant => grants.includes(grant)).length
  if (held === all.length) return 'all'
  return held ? 'part' : 'nothing'
}
