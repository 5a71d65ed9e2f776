import { inspect } from 'node:util'
import * as v from 'valibot'
import { ENGINE_NAMES, type EngineName, engineTraits } from './engines/traits.ts'
import { InvalidCredential } from './errors.ts'
import { parseExactly } from './exactJson.ts'
import { isHost } from './host.ts'

/** Other names that AWS has for them. */
const ENGINE_ALIASES = {
  'aurora-postgresql': 'postgres',
  'aurora-mysql': 'mysql',
  aurora: 'mysql',
  docdb: 'mongo',
  valkey: 'redis',
} as const
const ENGINE_ALIAS_NAMES = Object.keys(ENGINE_ALIASES) as (keyof typeof ENGINE_ALIASES)[]

/** What each field should be: the second half of every InvalidCredential's message. */
const FIELD_EXPECTATIONS: Record<keyof typeof credentialSchema.entries, string> = {
  engine: `one of: ${[...ENGINE_NAMES, ...ENGINE_ALIAS_NAMES].join(', ')}`,
  host: "the host name of the database itself, not RDS Proxy's, which takes no password that is not current yet",
  port: 'a whole number from 1 to 65535, or left out',
  dbname: 'the name of a database, or left out',
  username: 'the user whose password rotates',
  password: "the user's password, not empty",
  masterarn: "the ARN of the admin's secret, or left out",
  ssl: 'true or false, or left out (TLS is then used)',
}

/** The ARN of a secret. */
export const secretArnSchema = v.pipe(
  v.string(),
  v.regex(/^arn:[\w-]+:secretsmanager:[\w-]+:\d{12}:secret:\S+$/),
)

const textSchema = v.pipe(v.string(), v.nonEmpty(), v.excludes('\0'))
/** An endpoint of RDS Proxy. AWS alone gives such names. */
const RDS_PROXY_HOST = /\.proxy-[^.]+\.([^.]+\.rds|rds\.[^.]+)\.amazonaws\./i
/** AWS's JSON for a database secret; what is not named here is kept as it is. */
const credentialSchema = v.object({
  engine: v.pipe(
    v.picklist([...ENGINE_NAMES, ...ENGINE_ALIAS_NAMES]),
    v.transform(name =>
      name in ENGINE_ALIASES ? ENGINE_ALIASES[name as keyof typeof ENGINE_ALIASES] : (name as EngineName),
    ),
  ),
  host: v.pipe(
    textSchema,
    v.check(host => !RDS_PROXY_HOST.test(host)),
  ),
  port: v.optional(
    v.pipe(
      v.union([v.number(), v.pipe(v.string(), v.digits(), v.transform(Number))]),
      v.integer(),
      v.minValue(1),
      v.maxValue(65535),
    ),
  ),
  dbname: v.optional(textSchema),
  username: textSchema,
  password: textSchema,
  masterarn: v.optional(secretArnSchema),
  ssl: v.optional(
    v.pipe(
      v.union([v.boolean(), v.pipe(v.string(), v.toLowerCase(), v.picklist(['true', 'false']))]),
      v.transform(value => value === true || value === 'true'),
    ),
    true,
  ),
})
/** What says whose a password is that is stored alone. Its user never changes, so an admin is of no use. */
const connectionSchema = v.omit(credentialSchema, ['password', 'masterarn'])
/** All that RDS keeps of a master. */
const masterSchema = v.pick(credentialSchema, ['username', 'password'])

type Json = Record<string, unknown>
type Fields = Omit<v.InferOutput<typeof credentialSchema>, 'engine'> & { engine: EngineName }

/** Reads the JSON of an object; `required` are the fields that it must have, in words. @throws InvalidCredential */
function readJson<T>(text: string, schema: v.GenericSchema<unknown, T>, required: string): [Json, T] {
  const value = `a JSON object with ${required}`
  let json: Json
  try {
    json = parseExactly(text) as Json
  } catch {
    // The parser's own message quotes the text, so it must not be kept as a cause.
    throw new InvalidCredential('value', `should be ${value}`)
  }
  const result = v.safeParse(schema, JSON.parse(text))
  if (result.success) return [json, result.output]
  const field = String(result.issues[0].path?.[0].key ?? 'value')
  if (!(field in FIELD_EXPECTATIONS)) throw new InvalidCredential(field, `should be ${value}`)
  const should = `should be ${FIELD_EXPECTATIONS[field as keyof typeof FIELD_EXPECTATIONS]}`
  throw new InvalidCredential(field, field in json ? should : `is missing; it ${should}`)
}

/** @throws InvalidCredential if the engine takes less than others do */
function validateForEngine<T extends Pick<Fields, 'engine' | 'host' | 'dbname' | 'username' | 'ssl'>>(
  fields: T,
): T {
  const { engine, ssl } = fields
  for (const field of ['host', 'dbname', 'username'] as const) {
    const [form, text] = [engineTraits[engine].fieldRules?.[field], fields[field]]
    if (text && form && !form.accepts(text, ssl))
      throw new InvalidCredential(field, `should be ${form.expected}`)
  }
  return fields
}

/** How a stored text is read. Which way is right, only the tags say, never the text. */
export type ValueParser = (text: string) => Credential

/**
 * One stored value: where a user logs in, and with what. Immutable. The password and every field that Keyturn does
 * not know stay out of `JSON.stringify`, `console.log` and template strings; only `serialize` and `password` give
 * them away.
 */
export class Credential {
  readonly #json: Json
  readonly #fields: Fields
  /** Whether what is stored is the password alone. */
  readonly #isPasswordOnly: boolean

  private constructor(json: Json, fields: Fields, bare: boolean) {
    this.#json = json
    this.#fields = fields
    this.#isPasswordOnly = bare
  }

  /**
   * Reads AWS's JSON.
   * @throws InvalidCredential naming the field and what it should be; never quoting its value.
   */
  static parse(text: string): Credential {
    const [json, fields] = readJson(text, credentialSchema, 'engine, host, username and password')
    return new Credential(json, validateForEngine(fields), false)
  }

  /**
   * The format of values that are a password alone. `connection` is the text that says whose and where: AWS's JSON
   * without `password`; a `masterarn` in it is of no use.
   * @throws InvalidCredential as `parse` does
   */
  static passwordOnlyParser(connection: string): ValueParser {
    const [json, fields] = readJson(connection, connectionSchema, 'engine, host and username')
    validateForEngine(fields)
    return password => {
      if (!v.is(credentialSchema.entries.password, password))
        throw new InvalidCredential('password', `should be ${FIELD_EXPECTATIONS.password}`)
      return new Credential(json, { ...fields, password }, true)
    }
  }

  /**
   * The format of a master's value that RDS manages: user and password alone. `target` says where it logs in.
   * @throws InvalidCredential as `parse` does
   */
  static masterParser(target: { engine: string; host: string; port: number }): ValueParser {
    return text => {
      const [json] = readJson(text, masterSchema, 'username and password')
      return Credential.parse(JSON.stringify({ ...json, ...target }))
    }
  }

  /** Reads a text that no database knows, such as a signing key: all of it is the password, and it is nobody's. */
  static parseOpaque(text: string): Credential {
    return new Credential({}, { engine: 'opaque', host: '', username: '', password: text, ssl: true }, true)
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
  /** The server, `host:port`: values with the same text are for the same one. */
  get address(): string {
    return `${this.host.toLowerCase()}:${this.port ?? engineTraits[this.engine].defaultPort}`
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

  /** The same value but for what is given; every other field stays where and what it is. */
  with(
    change: Partial<Pick<Credential, 'username' | 'password' | 'dbname' | 'host' | 'port' | 'masterarn'>>,
  ): Credential {
    return new Credential({ ...this.#json, ...change }, { ...this.#fields, ...change }, this.#isPasswordOnly)
  }

  /** True when both values differ in nothing but user and password. */
  equalsExceptUserAndPassword(other: Credential): boolean {
    const target = (credential: Credential) =>
      JSON.stringify({ ...credential.#json, username: '', password: '' })
    return target(this) === target(other)
  }

  /** True when both values differ in nothing but the password. */
  equalsExceptPassword(other: Credential): boolean {
    return this.username === other.username && this.equalsExceptUserAndPassword(other)
  }

  /** True when both log in as the same user, whatever else the values say: somebody may have edited one. */
  hasSameLogin(other: Credential): boolean {
    // Of all engines MongoDB alone has users in a database.
    const home = ({ engine, dbname }: Credential) =>
      engine === 'mongo' && (dbname ?? engineTraits.mongo.defaultDatabase)
    return (
      this.engine === other.engine &&
      this.address === other.address &&
      this.username === other.username &&
      home(this) === home(other)
    )
  }

  /** The text to store. Holds the password. */
  serialize(): string {
    return this.#isPasswordOnly ? this.password : JSON.stringify(this.#json)
  }

  /** What anybody may see. */
  toJSON(): { engine: EngineName; host: string; username: string } {
    return { engine: this.engine, host: this.#shownHost, username: this.username }
  }
  toString(): string {
    if (this.engine === 'opaque') return 'an opaque value'
    return `${this.engine} user ${JSON.stringify(this.username)} on ${this.#shownHost}`
  }
  /** The server in words, `engine://host:port`, that anybody may see. */
  get server(): string {
    return `${this.engine}://${this.#shownHost}:${this.port ?? engineTraits[this.engine].defaultPort}`
  }
  /** What is no host may be a URL with a password in it. */
  get #shownHost(): string {
    return !this.host || isHost(this.host) ? this.host : '(what is no host)'
  }
  [inspect.custom](): string {
    return `Credential(${this})`
  }
}
