import { createHash, createHmac, pbkdf2Sync, randomBytes } from 'node:crypto'
import { appendFileSync } from 'node:fs'
import { BSON, type Document } from 'mongodb'
import pg, { escapeLiteral as literal, escapeIdentifier as name } from 'pg'
import { type CommandHandler, listenForCommands } from './mongodbWire.ts'

/** Settings of a gateway. */
export type GatewayOptions = {
  /** The folder with the Unix socket of the engine's PostgreSQL. */
  socketFolder: string
  caFile: string
  keyFile: string
  /** The gateway writes each command here, without the password. */
  logFile: string
  /** With it the gateway says that it is a read-only secondary of the primary with this host and port. */
  primary?: string
  /**
   * With it the gateway knows only SCRAM-SHA-1, as most clusters of Amazon DocumentDB. The engine stores nothing for this,
   * so the gateway keeps each user's password in this map.
   */
  sha1Passwords?: Map<string, string>
}

/**
 * MongoDB's error for each SQLSTATE that the engine answers with.
 * https://www.mongodb.com/docs/manual/reference/error-codes/
 */
const MONGODB_ERROR_CODES: Record<string, { code: number; codeName: string }> = {
  42501: { code: 13, codeName: 'Unauthorized' },
  42704: { code: 11, codeName: 'UserNotFound' },
  42710: { code: 51003, codeName: 'Location51003' },
  57014: { code: 50, codeName: 'MaxTimeMSExpired' },
  // Two sessions changed the same role at once.
  XX000: { code: 112, codeName: 'WriteConflict' },
  M0001: { code: 2, codeName: 'BadValue' },
}

/** An error that is answered to the client. */
class MongoFailure extends Error {
  readonly reply: Document
  constructor(code: number, codeName: string, errmsg: string) {
    super(errmsg)
    this.reply = { ok: 0, code, codeName, errmsg }
  }
}

/**
 * Starts a gateway: it speaks MongoDB's protocol and passes commands on to DocumentDB's engine, which is an extension of PostgreSQL
 * (https://github.com/documentdb/documentdb). It knows the commands that logins and the management of users need. The engine has
 * the users and checks passwords and rights; each connection acts as the user that logged in. The gateway listens on a free port of
 * 127.0.0.1, with and without TLS.
 */
export async function startGateway(options: GatewayOptions): Promise<{ port: number; stop(): void }> {
  const idle: pg.Client[] = []
  const { port, stop } = await listenForCommands(options, tls => new Connection(tls, options, idle))
  return {
    port,
    stop() {
      stop()
      for (const client of idle) client.end()
    },
  }
}

class Connection implements CommandHandler {
  readonly #tls: boolean
  readonly #options: GatewayOptions
  /** Sessions of the engine's superuser that no connection uses. They are kept, as opening one takes tens of milliseconds. */
  readonly #idle: pg.Client[]
  #client: pg.Client | undefined
  /** The login that has begun. `first` and `challenge` are messages of SCRAM, `salted` is the salted password for SCRAM-SHA-1. */
  #login = { user: '', first: '', challenge: '', salted: Buffer.alloc(0) }

  constructor(tls: boolean, options: GatewayOptions, idle: pg.Client[]) {
    this.#tls = tls
    this.#options = options
    this.#idle = idle
  }

  /** Answers a command, also one that fails. @throws if the engine's session broke, as then there is no answer */
  async run(command: Document): Promise<Document> {
    try {
      return { ...(await this.#run(command)), ok: 1 }
    } catch (error) {
      if (error instanceof MongoFailure) return error.reply
      const { code = '', message } = error as { code?: string; message: string }
      const { [code]: known = { code: 1, codeName: 'InternalError' } } = MONGODB_ERROR_CODES
      if (!this.#client || code.startsWith('57P') || !/^\w{5}$/.test(code)) throw error
      return { ok: 0, ...known, errmsg: message }
    }
  }

  /** Gives the engine's session back. It is called when all commands are answered. */
  async end(): Promise<void> {
    try {
      await this.#client?.query('reset session authorization; reset all')
      if (this.#client) this.#idle.push(this.#client)
    } catch {
      await this.#client?.end().catch(() => {})
    }
  }

  async #run(command: Document): Promise<Document> {
    const [verb = ''] = Object.keys(command)
    this.#log(JSON.stringify({ ...command, ...('pwd' in command && { pwd: 'xxx' }) }))
    if (/^(hello|ismaster)$/i.test(verb)) return this.#hello(command)
    if (verb === 'saslStart') return await this.#saslStart(command)
    if (verb === 'saslContinue') return await this.#saslContinue(command)
    if (verb === 'endSessions') return {}
    if (!this.#client) throw new MongoFailure(13, 'Unauthorized', `${verb} requires authentication`)
    const { $db, lsid: _, $readPreference: __, writeConcern: ___, maxTimeMS = 0, ...plain } = command
    const user = name(String(command[verb]))
    switch (verb) {
      case 'ping':
        return {}
      case 'usersInfo':
        return await this.#call('users_info', plain)
      case 'dropUser':
        return await this.#call('drop_user', plain)
      case 'createUser':
        this.#options.sha1Passwords?.set(plain.createUser, plain.pwd)
        return await this.#inTransaction(async () => {
          await this.#call('create_user', { ...plain, roles: [{ role: 'readAnyDatabase', db: 'admin' }] })
          await this.#setRoles(user, plain.roles)
        })
      case 'updateUser':
        return await this.#inTransaction(async () => {
          const { roles, ...rest } = plain
          if (roles) await this.#setRoles(user, roles)
          if (rest.pwd) await this.#call('update_user', rest)
          if (rest.pwd) this.#options.sha1Passwords?.set(rest.updateUser, rest.pwd)
        })
      case 'find':
        await this.#query(`set statement_timeout = ${Number(maxTimeMS)}`)
        return await this.#find($db, plain)
    }
    throw new MongoFailure(59, 'CommandNotFound', `no such command: ${verb}`)
  }

  #hello({ speculativeAuthenticate: _, ...command }: Document): Document {
    const { primary, sha1Passwords } = this.#options
    return {
      ...('helloOk' in command && { helloOk: true }),
      isWritablePrimary: !primary,
      ...(primary && { secondary: true, setName: 'rs0', hosts: [primary], primary }),
      maxBsonObjectSize: 2 ** 24,
      maxMessageSizeBytes: 48_000_000,
      maxWriteBatchSize: 100_000,
      minWireVersion: 0,
      maxWireVersion: 21,
      ...('saslSupportedMechs' in command && !sha1Passwords && { saslSupportedMechs: ['SCRAM-SHA-256'] }),
    }
  }

  /** The first step of SCRAM (RFC 5802): sends the salt, which the engine has for SCRAM-SHA-256. */
  async #saslStart({ mechanism, payload }: Document): Promise<Document> {
    const { sha1Passwords } = this.#options
    if (mechanism !== (sha1Passwords ? 'SCRAM-SHA-1' : 'SCRAM-SHA-256'))
      throw new MongoFailure(303, 'Unsupported', 'Unsupported mechanism [ -301 ]')
    const [, first = '', encoded = '', nonce = ''] = /^n,,(n=([^,]*),r=(.*))$/.exec(text(payload)) ?? []
    const user = encoded.replaceAll('=2C', ',').replaceAll('=3D', '=')
    this.#client = this.#idle.pop() ?? (await this.#openSession())
    const salt = randomBytes(16)
    const known = sha1Passwords
      ? { ok: sha1Passwords.has(user), salt: salt.toString('base64'), iterations: 10_000 }
      : await this.#value('documentdb_api_internal.scram_sha256_get_salt_and_iterations($1)', user)
    if (!known.ok) throw authenticationFailedError()
    const challenge = `r=${nonce}${randomBytes(18).toString('base64')},s=${known.salt},i=${known.iterations}`
    const digest = createHash('md5')
      .update(`${user}:mongo:${sha1Passwords?.get(user)}`)
      .digest('hex')
    this.#login = { user, first, challenge, salted: pbkdf2Sync(digest, salt, 10_000, 20, 'sha1') }
    return { conversationId: 1, done: false, payload: binary(challenge) }
  }

  /** The second step of SCRAM: has the client's proof checked, and begins to act as the user. */
  async #saslContinue({ payload }: Document): Promise<Document> {
    const { user, first, challenge, salted } = this.#login
    const [, final = '', proof = ''] = /^(.*),p=(.*)$/.exec(text(payload)) ?? []
    const message = `${first},${challenge},${final}`
    const { ok, ServerSignature } = this.#options.sha1Passwords
      ? checkSha1Proof(salted, message, proof)
      : await this.#value(
          'documentdb_api_internal.authenticate_with_scram_sha256($1, $2, $3)',
          ...[user, message, proof],
        )
    if (!ok) throw authenticationFailedError()
    await this.#query(
      `set documentdb.enableUsernamePasswordConstraints = off; set application_name = ${literal(user)};
       set session authorization ${name(user)}`,
    )
    this.#log(`login of ${user}, ${this.#tls ? 'TLS' : 'clear text'}`)
    return { conversationId: 1, done: true, payload: binary(`v=${ServerSignature}`) }
  }

  async #openSession(): Promise<pg.Client> {
    const client = new pg.Client({ host: this.#options.socketFolder, user: 'postgres', database: 'postgres' })
    client.on('error', () => {})
    await client.connect()
    return client
  }

  async #find(database: string, { find, ...rest }: Document): Promise<Document> {
    if (find.includes('$')) throw new MongoFailure(73, 'InvalidNamespace', `invalid namespace ${find}`)
    if (find.startsWith('system.')) throw new MongoFailure(13, 'Unauthorized', `not authorized on ${find}`)
    const text = 'select cursorpage::text as value from documentdb_api.find_cursor_first_page($1, $2)'
    return await this.#bson(text, database, toBsonHex({ find, ...rest }))
  }

  /**
   * Sets a user's roles as memberships in roles of PostgreSQL, as the engine stores them. Its own functions change no roles (seen
   * on the DocumentDB of Debian sid).
   */
  async #setRoles(user: string, roles: { role: string }[]): Promise<void> {
    const wanted = roles.flatMap(({ role }) => {
      const known = ROLE_MEMBERSHIPS[role]
      if (!known) throw new MongoFailure(31, 'RoleNotFound', `no role ${role}`)
      return known
    })
    await this.#query(`revoke ${Object.values(ROLE_MEMBERSHIPS).flat().join(', ')} from ${user}`)
    if (wanted.length) await this.#query(`grant ${wanted.join(', ')} to ${user}`)
  }

  async #inTransaction(change: () => Promise<void>): Promise<Document> {
    await this.#query('begin')
    try {
      await change()
      await this.#query('commit')
      return {}
    } catch (error) {
      await this.#query('rollback')
      throw error
    }
  }

  /** Calls a function of the engine that takes a command in BSON. */
  #call(name: string, command: Document): Promise<Document> {
    return this.#value(`documentdb_api.${name}($1)`, toBsonHex(command))
  }

  /** Calls a function that returns BSON. */
  #value(call: string, ...values: string[]): Promise<Document> {
    return this.#bson(`select ${call}::text as value`, ...values)
  }

  async #bson(text: string, ...values: string[]): Promise<Document> {
    const [row] = (await this.#query(text, values)).rows
    return BSON.deserialize(Buffer.from(row.value.replace('BSONHEX', ''), 'hex'))
  }

  async #query(text: string, values?: string[]): Promise<pg.QueryResult> {
    if (!this.#client) throw new Error('nobody logged in')
    return await this.#client.query(text, values)
  }

  #log(line: string): void {
    appendFileSync(this.#options.logFile, `${line}\n`)
  }
}

/** The roles of PostgreSQL that stand for a role of MongoDB. */
const ROLE_MEMBERSHIPS: Record<string, string[]> = {
  readAnyDatabase: ['documentdb_readonly_role', 'pg_read_all_data'],
  readWriteAnyDatabase: ['documentdb_readwrite_role'],
  clusterAdmin: ['documentdb_admin_role'],
}

/** Checks a client's proof of SCRAM-SHA-1, as the engine does for SCRAM-SHA-256. */
function checkSha1Proof(salted: Buffer, message: string, proof: string) {
  const hmac = (key: Buffer, text: string) => createHmac('sha1', key).update(text).digest()
  const clientKey = hmac(salted, 'Client Key')
  const signature = hmac(createHash('sha1').update(clientKey).digest(), message)
  const expected = Buffer.from(clientKey.map((byte, i) => byte ^ (signature[i] ?? 0))).toString('base64')
  return {
    ok: proof === expected,
    ServerSignature: hmac(hmac(salted, 'Server Key'), message).toString('base64'),
  }
}

const authenticationFailedError = () => new MongoFailure(18, 'AuthenticationFailed', 'Authentication failed.')
const toBsonHex = (document: Document) => `BSONHEX${Buffer.from(BSON.serialize(document)).toString('hex')}`
const text = (payload: { buffer: Uint8Array }) => Buffer.from(payload.buffer).toString('utf8')
const binary = (payload: string) => new BSON.Binary(Buffer.from(payload, 'utf8'))
