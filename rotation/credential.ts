import { inspect } from 'node:util'
import * as v from 'valibot'
import { InvalidCredential } from './errors.ts'

/** The engines that a credential may name, by AWS's own names in the secret's JSON. */
export const engineNames = ['postgres', 'mysql', 'mariadb'] as const
export type EngineName = (typeof engineNames)[number]

/** Other names that AWS gives to the same. */
const aliases = { 'aurora-postgresql': 'postgres', 'aurora-mysql': 'mysql', aurora: 'mysql' } as const
const aliasNames = Object.keys(aliases) as (keyof typeof aliases)[]

/** What each field should be: the second half of every InvalidCredential's message. */
const expected: Record<string, string> = {
  value: 'a JSON object with engine, host, username and password',
  engine: `one of: ${[...engineNames, ...aliasNames].join(', ')}`,
  host: 'the host name of the database server',
  port: 'a whole number from 1 to 65535, or left out',
  dbname: 'the name of a database, or left out',
  username: 'the user whose password rotates',
  password: "the user's password, not empty",
  masterarn: "the ARN of the admin's secret, or left out",
  ssl: 'true or false, or left out (TLS is then used)',
}

const text = v.pipe(v.string(), v.nonEmpty(), v.excludes('\0'))
/** AWS's JSON for a database secret; what is not named here is kept as it is. */
const schema = v.object({
  engine: v.pipe(
    v.picklist([...engineNames, ...aliasNames]),
    v.transform(name => (name in aliases ? aliases[name as keyof typeof aliases] : (name as EngineName))),
  ),
  host: text,
  port: v.optional(
    v.pipe(
      v.union([v.number(), v.pipe(v.string(), v.digits(), v.transform(Number))]),
      v.integer(),
      v.minValue(1),
      v.maxValue(65535),
    ),
  ),
  dbname: v.optional(text),
  username: text,
  password: text,
  masterarn: v.optional(v.pipe(v.string(), v.regex(/^arn:[\w-]+:secretsmanager:[\w-]+:\d{12}:secret:\S+$/))),
  ssl: v.optional(
    v.pipe(
      v.union([v.boolean(), v.pipe(v.string(), v.toLowerCase(), v.picklist(['true', 'false']))]),
      v.transform(value => value === true || value === 'true'),
    ),
    true,
  ),
})
type Fields = v.InferOutput<typeof schema>

/** TypeScript's library does not know this part of the language yet. */
const { rawJSON } = JSON as unknown as { rawJSON(source: string): unknown }

/** Numbers keep their source text, so that a field Keyturn does not know survives to the last digit. */
function keepDigits(_key: string, value: unknown, context?: { source: string }): unknown {
  return typeof value === 'number' && context ? rawJSON(context.source) : value
}

/**
 * One stored value: where a user logs in, and with what. Immutable. The password and every field that Keyturn does
 * not know stay out of `JSON.stringify`, `console.log` and template strings; only `serialize` and `password` give
 * them away.
 */
export class Credential {
  readonly #json: Record<string, unknown>
  readonly #fields: Fields

  private constructor(json: Record<string, unknown>, fields: Fields) {
    this.#json = json
    this.#fields = fields
  }

  /**
   * Reads a secret's text.
   * @throws InvalidCredential naming the field and what it should be; never quoting its value.
   */
  static parse(text: string): Credential {
    let json: unknown
    try {
      json = JSON.parse(text, keepDigits)
    } catch {
      // The parser's own message quotes the text, so it must not be kept as a cause.
      throw new InvalidCredential('value', `should be ${expected.value}`)
    }
    const result = v.safeParse(schema, JSON.parse(text))
    if (result.success) return new Credential(json as Record<string, unknown>, result.output)
    const field = String(result.issues[0].path?.[0].key ?? 'value')
    throw new InvalidCredential(field, `should be ${expected[field]}`)
  }

  get engine(): EngineName {
    return this.#fields.engine
  }
  get host(): string {
    return this.#fields.host
  }
  /** Undefined means the engine's own default port. */
  get port(): number | undefined {
    return this.#fields.port
  }
  get dbname(): string | undefined {
    return this.#fields.dbname
  }
  get username(): string {
    return this.#fields.username
  }
  get password(): string {
    return this.#fields.password
  }
  /** ARN of the admin's secret, as AWS's templates name it. */
  get masterarn(): string | undefined {
    return this.#fields.masterarn
  }
  /** False only when the value says so: the connection is then in clear text. */
  get ssl(): boolean {
    return this.#fields.ssl
  }

  /** The same value for another user, password or database; every other field stays where and what it is. */
  with(change: { username?: string; password?: string; dbname?: string }): Credential {
    return new Credential({ ...this.#json, ...change }, { ...this.#fields, ...change })
  }

  /** True when both values differ in nothing but user and password. */
  sameTarget(other: Credential): boolean {
    const blank = { username: '', password: '' }
    return this.with(blank).serialize() === other.with(blank).serialize()
  }

  /** True when both values differ in nothing but the password. */
  sameUser(other: Credential): boolean {
    return this.username === other.username && this.sameTarget(other)
  }

  /** The text to store. Holds the password. */
  serialize(): string {
    return JSON.stringify(this.#json)
  }

  /** What anybody may see. */
  toJSON(): { engine: EngineName; host: string; username: string } {
    return { engine: this.engine, host: this.host, username: this.username }
  }
  toString(): string {
    return `${this.engine} user ${JSON.stringify(this.username)} on ${this.host}`
  }
  [inspect.custom](): string {
    return `Credential(${this})`
  }
}
