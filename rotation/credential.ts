import { inspect } from 'node:util'
import * as v from 'valibot'
import { ENGINE_NAMES, type EngineName, engineTraits } from './engines/traits.ts'
import { InvalidCredential } from './errors.ts'
import { parseExactly } from './exactJson.ts'
import { isHost } from './host.ts'

/** The engine names of AWS that mean one of Keyturn's engines. */
const ENGINE_ALIASES = {
  'aurora-postgresql': 'postgres',
  'aurora-mysql': 'mysql',
  aurora: 'mysql',
  docdb: 'mongo',
  valkey: 'redis',
} as const
const ENGINE_ALIAS_NAMES = Object.keys(ENGINE_ALIASES) as (keyof typeof ENGINE_ALIASES)[]

/** What each field should be, as the message of an InvalidCredential says after `should be`. */
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

/** Parses the ARN of a secret in Secrets Manager. */
export const secretArnSchema = v.pipe(
  v.string(),
  v.regex(/^arn:[\w-]+:secretsmanager:[\w-]+:\d{12}:secret:\S+$/),
)

const textSchema = v.pipe(v.string(), v.nonEmpty(), v.excludes('\0'))
/**
 * The name of an endpoint of RDS Proxy, such as `shop.proxy-abc.eu-west-1.rds.amazonaws.com`. Only AWS gives such names.
 * https://docs.aws.amazon.com/AmazonRDS/latest/UserGuide/rds-proxy-connecting.html
 */
const RDS_PROXY_HOST = /\.proxy-[^.]+\.([^.]+\.rds|rds\.[^.]+)\.amazonaws\./i
/**
 * AWS's JSON for a database secret; fields that are not named here are kept as they are.
 * https://docs.aws.amazon.com/secretsmanager/latest/userguide/reference_secret_json_structure.html
 */
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
/**
 * The parameter beside a value that is the password alone: it has the server and the user. It names no admin, so only strategies
 * that need none are possible.
 */
const connectionSchema = v.omit(credentialSchema, ['password', 'masterarn'])
/** The secret that RDS makes for a master user: it has these two fields alone. */
const masterSchema = v.pick(credentialSchema, ['username', 'password'])

type Json = Record<string, unknown>
type Fields = Omit<v.InferOutput<typeof credentialSchema>, 'engine'> & { engine: EngineName }

/**
 * Parses JSON and checks it by a schema. `required` names the fields that it must have, for the error.
 * @returns the whole object with exact numbers, and the fields of the schema
 * @throws InvalidCredential
 */
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

/** Checks the fields by the rules of their engine. @throws InvalidCredential if the engine does not take one of them */
function validateForEngine<T extends Pick<Fields, 'engine' | 'host' | 'dbname' | 'username' | 'ssl'>>(
  fields: T,
): T {
  const { engine, ssl } = fields
  for (const field of ['host', 'dbname', 'username'] as const) {
    const [rule, text] = [engineTraits[engine].fieldRules?.[field], fields[field]]
    if (text && rule && !rule.accepts(text, ssl))
      throw new InvalidCredential(field, `should be ${rule.expected}`)
  }
  return fields
}

/**
 * Reads a stored text. Only the tags decide which parser is used: a password can look like JSON, and who may write a value must
 * not choose how it is read.
 * @throws InvalidCredential
 */
export type ValueParser = (text: string) => Credential

/**
 * One stored value: a database server, a user and its password, or an opaque text. It is immutable. `JSON.stringify`,
 * `console.log` and template strings show neither the password nor fields that Keyturn does not know. Only `password` returns the
 * former, and only `serialize` returns both.
 */
export class Credential {
  readonly #json: Json
  readonly #fields: Fields
  /** Whether the stored text is the password alone. */
  readonly #isPasswordOnly: boolean

  private constructor(json: Json, fields: Fields, isPasswordOnly: boolean) {
    this.#json = json
    this.#fields = fields
    this.#isPasswordOnly = isPasswordOnly
  }

  /**
   * Reads AWS's JSON.
   * @throws InvalidCredential that names the field and says what it should be, and never quotes the value
   */
  static parse(text: string): Credential {
    const [json, fields] = readJson(text, credentialSchema, 'engine, host, username and password')
    return new Credential(json, validateForEngine(fields), false)
  }

  /**
   * The parser for values that are a password alone. `connection` is the text of the parameter that the tag keyturn:connection
   * names: AWS's JSON without `password`. A `masterarn` in that text is ignored.
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
   * The parser for the secret of a master whose password RDS manages: user and password alone. The master logs in to `target`.
   * https://docs.aws.amazon.com/AmazonRDS/latest/UserGuide/rds-secrets-manager.html
   */
  static masterParser(target: { engine: string; host: string; port: number }): ValueParser {
    return text => {
      const [json] = readJson(text, masterSchema, 'username and password')
      return Credential.parse(JSON.stringify({ ...json, ...target }))
    }
  }

  /** Reads an opaque value, which no database knows, such as a signing key: the whole text is the password, without a user. */
  static parseOpaque(text: string): Credential {
    return new Credential({}, { engine: 'opaque', host: '', username: '', password: text, ssl: true }, true)
  }

  get engine(): EngineName {
    return this.#fields.engine
  }
  get host(): string {
    return this.#fields.host
  }
  /** Undefined if the value names none: the engine's default port is then used. */
  get port(): number | undefined {
    return this.#fields.port
  }
  /** The server as `host:port`, with the host in small letters. Values with the same address are for the same server. */
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
  /** Whether the connection uses TLS. False only if the value says `"ssl": false`. */
  get ssl(): boolean {
    return this.#fields.ssl
  }

  /** A copy with the given fields changed. Every other field keeps its value and its place in the text. */
  with(
    change: Partial<Pick<Credential, 'username' | 'password' | 'dbname' | 'host' | 'port' | 'masterarn'>>,
  ): Credential {
    return new Credential({ ...this.#json, ...change }, { ...this.#fields, ...change }, this.#isPasswordOnly)
  }

  /** True if the two values differ at most in user and password. */
  equalsExceptUserAndPassword(other: Credential): boolean {
    const target = (credential: Credential) =>
      JSON.stringify({ ...credential.#json, username: '', password: '' })
    return target(this) === target(other)
  }

  /** True if the two values differ at most in the password. */
  equalsExceptPassword(other: Credential): boolean {
    return this.username === other.username && this.equalsExceptUserAndPassword(other)
  }

  /**
   * True if the two values log in as the same user of the same server and, where a user belongs to one database, of the same
   * database. Other fields may differ, as somebody may have edited one value.
   */
  isForSameUser(other: Credential): boolean {
    const { userBelongsToDatabase, defaultDatabase } = engineTraits[this.engine]
    const userDatabase = ({ dbname = defaultDatabase }: Credential) => userBelongsToDatabase && dbname
    return (
      this.engine === other.engine &&
      this.address === other.address &&
      this.username === other.username &&
      userDatabase(this) === userDatabase(other)
    )
  }

  /** The text to store, with the password in it. */
  serialize(): string {
    return this.#isPasswordOnly ? this.password : JSON.stringify(this.#json)
  }

  /** What anybody may see: no password and no unknown field. */
  toJSON(): { engine: EngineName; host: string; username: string } {
    return { engine: this.engine, host: this.#shownHost, username: this.username }
  }
  toString(): string {
    if (this.engine === 'opaque') return 'an opaque value'
    return `${this.engine} user ${JSON.stringify(this.username)} on ${this.#shownHost}`
  }
  /** The server as a text that anybody may see: `engine://host:port`. */
  get server(): string {
    return `${this.engine}://${this.#shownHost}:${this.port ?? engineTraits[this.engine].defaultPort}`
  }
  /** The text in `host`, if it is a host. Any other text is not shown, as it may be a URL with a password in it. */
  get #shownHost(): string {
    return !this.host || isHost(this.host) ? this.host : '(what is no host)'
  }
  [inspect.custom](): string {
    return `Credential(${this})`
  }
}
