// functions/event.ts
import * as v2 from "valibot";

// rotation/credential.ts
import { inspect } from "node:util";
import * as v from "valibot";

// rotation/engines/traits.ts
import { isIP, isIPv6 } from "node:net";
var oneOrTwoUsers = {
  "single-user": "user",
  "alternating-users": "admin",
  "temporary-clone": "admin"
};
var name = {
  should: "a name: a certificate is not checked against an address",
  fits: (host, tls) => !tls || !isIP(host)
};
var ofRds = { ...oneOrTwoUsers, master: "rds" };
var traits = {
  postgres: {
    userName: { longest: 63, unit: "bytes" },
    port: 5432,
    database: "postgres",
    strategies: ofRds
  },
  redshift: {
    userName: { longest: 127, unit: "bytes" },
    port: 5439,
    database: "dev",
    strategies: oneOrTwoUsers
  },
  mysql: {
    forms: { host: name },
    userName: { longest: 32, unit: "characters" },
    port: 3306,
    database: "",
    strategies: { ...ofRds, "dual-password": "user" }
  },
  mariadb: {
    forms: { host: name },
    userName: { longest: 80, unit: "characters" },
    port: 3306,
    database: "",
    strategies: { ...ofRds, "dual-password": "admin" }
  },
  mongo: {
    forms: {
      host: {
        should: "the name of one server, without scheme, port or path",
        fits: (host) => isIPv6(host) || /^[\w.-]+$/.test(host)
      },
      dbname: {
        should: "the name of a database, or left out",
        fits: (name2) => /^[^/\\. "$*<>:|?]{1,63}$/.test(name2)
      },
      // The driver escapes the first comma and the first `=` alone, and a server takes each =2C and =3D for an escape.
      username: {
        should: "a name that the driver can send: with no second comma, nor =2C or =3D after another =",
        fits: (name2) => !/,.*,|=.*=(2C|3D)/s.test(name2)
      }
    },
    userName: { longest: 63, unit: "bytes" },
    port: 27017,
    database: "admin",
    strategies: oneOrTwoUsers
  },
  redis: {
    forms: {
      dbname: { should: "the number of a database, or left out", fits: (name2) => /^\d+$/.test(name2) }
    },
    // It knows no limit.
    userName: { longest: Number.POSITIVE_INFINITY, unit: "bytes" },
    port: 6379,
    database: "",
    strategies: { ...oneOrTwoUsers, "dual-password": "admin" }
  },
  opaque: {
    userName: { longest: 0, unit: "bytes" },
    port: 0,
    database: "",
    strategies: { "single-user": "user" }
  }
};

// rotation/errors.ts
var RotationError = class extends Error {
};
var InvalidInput = class extends RotationError {
  name = "InvalidInput";
};
var InvalidCredential = class extends RotationError {
  name = "InvalidCredential";
  field;
  constructor(field, problem) {
    super(`${field}: ${problem}`);
    this.field = field;
  }
};

// rotation/exactJson.ts
var { rawJSON } = JSON;
function parseExactly(text3) {
  return JSON.parse(
    text3,
    (_key, value, context) => typeof value === "number" && context ? rawJSON(context.source) : value
  );
}

// rotation/credential.ts
var engineNames = ["postgres", "redshift", "mysql", "mariadb", "mongo", "redis"];
var aliases = {
  "aurora-postgresql": "postgres",
  "aurora-mysql": "mysql",
  aurora: "mysql",
  docdb: "mongo",
  valkey: "redis"
};
var aliasNames = Object.keys(aliases);
var expected = {
  engine: `one of: ${[...engineNames, ...aliasNames].join(", ")}`,
  host: "the host name of the database itself, not RDS Proxy's, which takes no password that is not current yet",
  port: "a whole number from 1 to 65535, or left out",
  dbname: "the name of a database, or left out",
  username: "the user whose password rotates",
  password: "the user's password, not empty",
  masterarn: "the ARN of the admin's secret, or left out",
  ssl: "true or false, or left out (TLS is then used)"
};
var text = v.pipe(v.string(), v.nonEmpty(), v.excludes("\0"));
var proxy = /\.proxy-[^.]+\.([^.]+\.rds|rds\.[^.]+)\.amazonaws\./i;
var schema = v.object({
  engine: v.pipe(
    v.picklist([...engineNames, ...aliasNames]),
    v.transform((name2) => name2 in aliases ? aliases[name2] : name2)
  ),
  host: v.pipe(
    text,
    v.check((host) => !proxy.test(host))
  ),
  port: v.optional(
    v.pipe(
      v.union([v.number(), v.pipe(v.string(), v.digits(), v.transform(Number))]),
      v.integer(),
      v.minValue(1),
      v.maxValue(65535)
    )
  ),
  dbname: v.optional(text),
  username: text,
  password: text,
  masterarn: v.optional(v.pipe(v.string(), v.regex(/^arn:[\w-]+:secretsmanager:[\w-]+:\d{12}:secret:\S+$/))),
  ssl: v.optional(
    v.pipe(
      v.union([v.boolean(), v.pipe(v.string(), v.toLowerCase(), v.picklist(["true", "false"]))]),
      v.transform((value) => value === true || value === "true")
    ),
    true
  )
});
var connectionSchema = v.omit(schema, ["password", "masterarn"]);
var masterSchema = v.pick(schema, ["username", "password"]);
function readJson(text3, schema2, required) {
  const value = `a JSON object with ${required}`;
  let json;
  try {
    json = parseExactly(text3);
  } catch {
    throw new InvalidCredential("value", `should be ${value}`);
  }
  const result = v.safeParse(schema2, JSON.parse(text3));
  if (result.success) return [json, result.output];
  const field = String(result.issues[0].path?.[0].key ?? "value");
  throw new InvalidCredential(field, `should be ${expected[field] ?? value}`);
}
function formed(fields) {
  const { engine, ssl } = fields;
  for (const field of ["host", "dbname", "username"]) {
    const [form, text3] = [traits[engine].forms?.[field], fields[field]];
    if (text3 && form && !form.fits(text3, ssl)) throw new InvalidCredential(field, `should be ${form.should}`);
  }
  return fields;
}
var Credential = class _Credential {
  #json;
  #fields;
  /** Whether what is stored is the password alone. */
  #bare;
  constructor(json, fields, bare) {
    this.#json = json;
    this.#fields = fields;
    this.#bare = bare;
  }
  /**
   * Reads AWS's JSON.
   * @throws InvalidCredential naming the field and what it should be; never quoting its value.
   */
  static parse(text3) {
    const [json, fields] = readJson(text3, schema, "engine, host, username and password");
    return new _Credential(json, formed(fields), false);
  }
  /**
   * The format of values that are a password alone. `connection` is the text that says whose and where: AWS's JSON
   * without `password`; a `masterarn` in it is of no use.
   * @throws InvalidCredential as `parse` does
   */
  static passwordOnly(connection) {
    const [json, fields] = readJson(connection, connectionSchema, "engine, host and username");
    formed(fields);
    return (password) => {
      if (!v.is(schema.entries.password, password))
        throw new InvalidCredential("password", `should be ${expected.password}`);
      return new _Credential(json, { ...fields, password }, true);
    };
  }
  /**
   * The format of a master's value that RDS manages: user and password alone. `target` says where it logs in.
   * @throws InvalidCredential as `parse` does
   */
  static master(target) {
    return (text3) => {
      const [json] = readJson(text3, masterSchema, "username and password");
      return _Credential.parse(JSON.stringify({ ...json, ...target }));
    };
  }
  /** Reads a text that no database knows, such as a signing key: all of it is the password, and it is nobody's. */
  static opaque(text3) {
    return new _Credential({}, { engine: "opaque", host: "", username: "", password: text3, ssl: true }, true);
  }
  get engine() {
    return this.#fields.engine;
  }
  get host() {
    return this.#fields.host;
  }
  /** Undefined means the engine's own default port. */
  get port() {
    return this.#fields.port;
  }
  /** The server, `host:port`: values with the same text are for the same one. */
  get address() {
    return `${this.host.toLowerCase()}:${this.port ?? traits[this.engine].port}`;
  }
  get dbname() {
    return this.#fields.dbname;
  }
  get username() {
    return this.#fields.username;
  }
  get password() {
    return this.#fields.password;
  }
  /** ARN of the admin's secret, as AWS's templates name it. */
  get masterarn() {
    return this.#fields.masterarn;
  }
  /** False only when the value says so: the connection is then in clear text. */
  get ssl() {
    return this.#fields.ssl;
  }
  /** The same value but for what is given; every other field stays where and what it is. */
  with(change) {
    return new _Credential({ ...this.#json, ...change }, { ...this.#fields, ...change }, this.#bare);
  }
  /** True when both values differ in nothing but user and password. */
  sameTarget(other) {
    const target = (credential) => JSON.stringify({ ...credential.#json, username: "", password: "" });
    return target(this) === target(other);
  }
  /** True when both values differ in nothing but the password. */
  sameUser(other) {
    return this.username === other.username && this.sameTarget(other);
  }
  /** True when both log in as the same user, whatever else the values say: somebody may have edited one. */
  sameLogin(other) {
    const home = ({ engine, dbname }) => engine === "mongo" && (dbname ?? traits.mongo.database);
    return this.engine === other.engine && this.address === other.address && this.username === other.username && home(this) === home(other);
  }
  /** The text to store. Holds the password. */
  serialize() {
    return this.#bare ? this.password : JSON.stringify(this.#json);
  }
  /** What anybody may see. */
  toJSON() {
    return { engine: this.engine, host: this.host, username: this.username };
  }
  toString() {
    if (this.engine === "opaque") return "an opaque value";
    return `${this.engine} user ${JSON.stringify(this.username)} on ${this.host}`;
  }
  [inspect.custom]() {
    return `Credential(${this})`;
  }
};

// rotation/stores/store.ts
var storeNames = ["secrets-manager", "parameter-store"];

// rotation/strategies/strategy.ts
var strategyNames = [
  "single-user",
  "alternating-users",
  "temporary-clone",
  "dual-password",
  "master"
];

// functions/event.ts
var text2 = v2.pipe(v2.string(), v2.nonEmpty());
var time = v2.pipe(
  text2,
  v2.isoTimestamp(),
  v2.transform((text3) => new Date(text3))
);
var expected2 = {
  execution: "the name of the execution",
  rotation: "the state of the execution, an object",
  store: `one of: ${storeNames.join(", ")}`,
  id: "the name or the ARN of the secret, or the name of the parameter",
  token: "the name of the execution, which has 32 to 64 letters, digits, - or _; leave both out to get a UUID",
  Step: "as Secrets Manager calls a rotation function",
  SecretId: "the secret's ARN",
  ClientRequestToken: "32 to 64 letters, digits, - or _",
  RotationToken: "a text",
  moveBack: "true, or left out",
  run: "the name of the execution",
  at: "a time, such as 2026-11-21T10:00:00Z",
  until: "a time, such as 2026-11-21T10:00:00Z"
};
var common = {
  store: v2.picklist(storeNames),
  id: text2,
  token: v2.exactOptional(v2.string()),
  group: v2.exactOptional(text2)
};
var start = v2.object({ ...common, moveBack: v2.exactOptional(v2.literal(true)) });
var facts = v2.object({
  ...common,
  strategy: v2.picklist(strategyNames),
  replaces: text2,
  grace: v2.exactOptional(v2.number()),
  clone: v2.exactOptional(v2.picklist(["drop", "keep"])),
  halfway: v2.exactOptional(v2.literal(true)),
  testQuery: v2.exactOptional(text2)
});
var none = v2.literal("");
var rotation = v2.variant("engine", [
  v2.object({
    ...facts.entries,
    engine: v2.picklist(engineNames),
    connection: v2.exactOptional(text2),
    host: text2,
    user: text2,
    nextUser: text2
  }),
  v2.object({ ...facts.entries, engine: v2.literal("opaque"), host: none, user: none, nextUser: none })
]);
var rollback = v2.object({
  ...common,
  engine: v2.exactOptional(v2.picklist([...engineNames, "opaque"])),
  connection: v2.exactOptional(text2),
  strategy: v2.exactOptional(v2.picklist(strategyNames))
});
var startEvent = parser(start);
var rotationEvent = parser(rotation);
var rollbackEvent = parser(rollback);
var serviceSteps = ["createSecret", "setSecret", "testSecret", "finishSecret"];
var isToken = (text3) => /^[\w-]{32,64}$/.test(text3);
var token = v2.pipe(text2, v2.check(isToken));
var startCall = v2.object({
  store: v2.picklist(storeNames),
  id: text2,
  token,
  group: v2.exactOptional(text2),
  at: v2.exactOptional(time),
  until: v2.nullish(time)
});
var run = v2.object({ run: text2 });
var awaited = v2.object({ store: v2.picklist(storeNames), id: text2, token });
var report = v2.object({
  host: v2.string(),
  results: v2.array(
    v2.object({
      store: v2.picklist(storeNames),
      id: text2,
      outcome: v2.picklist(["rotated", "failed", "skipped"]),
      error: v2.exactOptional(v2.string()),
      reason: v2.exactOptional(v2.string()),
      critical: v2.exactOptional(v2.boolean()),
      untold: v2.exactOptional(v2.boolean())
    })
  )
});
var startCallEvent = (event) => checked(startCall, event);
var runEvent = (event) => checked(run, event);
var awaitedEvent = (event) => checked(awaited, event);
var reportEvent = (event) => checked(report, event);
var serviceCall = v2.object({
  Step: v2.picklist(serviceSteps),
  SecretId: text2,
  ClientRequestToken: token,
  RotationToken: v2.exactOptional(text2)
});
function serviceEvent(event) {
  const { Step, SecretId, ClientRequestToken, RotationToken } = checked(serviceCall, event);
  return {
    step: Step,
    rotation: { store: "secrets-manager", id: SecretId, token: ClientRequestToken },
    rotationToken: RotationToken
  };
}
function parser(schema2) {
  const whole = v2.object({
    execution: text2,
    abandoned: v2.optional(v2.boolean(), false),
    // For a metric alone: no rotation fails for it.
    started: v2.fallback(v2.optional(time), void 0),
    rotation: schema2
  });
  return (event) => {
    const { execution, rotation: rotation2, ...rest } = checked(whole, event);
    const { token: token2 = execution } = rotation2;
    if (!isToken(token2) || !isAttempt(execution, token2)) throw invalid("token");
    return { ...rest, rotation: { ...rotation2, token: token2 } };
  };
}
var isAttempt = (name2, token2) => name2.startsWith(token2) && /^(-([2-9]|[1-9]\d+))?$/.test(name2.slice(token2.length));
function checked(schema2, event) {
  const result = v2.safeParse(schema2, event);
  if (!result.success) throw invalid(String(result.issues[0].path?.at(-1)?.key ?? "event"));
  return result.output;
}
function invalid(field) {
  return new InvalidInput(`${field}: should be ${expected2[field] ?? "as the state machine passes it"}`);
}
export {
  awaitedEvent,
  isToken,
  reportEvent,
  rollbackEvent,
  rotationEvent,
  runEvent,
  serviceEvent,
  startCallEvent,
  startEvent
};
