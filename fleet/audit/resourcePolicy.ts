import * as v from 'valibot'

/**
 * To whom outside the account a resource policy gives access: everybody, other accounts, organisations or services of AWS, by their
 * names. `unclear`: it may give access or not, as with most conditions.
 */
export type OutsideAccess =
  | { to: 'everybody' | 'unclear' }
  | { to: 'account' | 'organisation' | 'service'; names: string[] }

const oneOrMore = v.union([v.string(), v.array(v.string())])
const statement = v.object({
  Effect: v.picklist(['Allow', 'Deny']),
  Principal: v.optional(v.union([v.literal('*'), v.record(v.string(), oneOrMore)])),
  NotPrincipal: v.optional(v.unknown()),
  Action: v.optional(oneOrMore),
  NotAction: v.optional(oneOrMore),
  Resource: v.optional(oneOrMore),
  NotResource: v.optional(oneOrMore),
  // An empty condition is as good as none.
  Condition: v.pipe(
    v.optional(v.record(v.string(), v.record(v.string(), v.unknown()))),
    v.transform(given => (given && Object.keys(given).length ? given : undefined)),
  ),
})
type Statement = v.InferOutput<typeof statement>
const schema = v.pipe(
  v.string(),
  v.parseJson(),
  v.object({ Statement: v.union([statement, v.array(statement)]) }),
)

/** Actions that neither read the value of a secret or parameter nor change it. */
const HARMLESS_ACTIONS =
  /^(secretsmanager:(describesecret|listsecretversionids|getresourcepolicy)|ssm:(describeparameters|listtagsforresource|getresourcepolicies))$/i

const READ_ACTION = 'secretsmanager:GetSecretValue'

/**
 * To whom outside the account a resource policy gives access; empty if to nobody.
 * @param policy JSON
 * @param account the twelve digits of the account
 */
export function outsideAccessOf(policy: string, account: string): OutsideAccess[] {
  const statements = statementsIn(policy)
  if (!statements) return [{ to: 'unclear' }]
  const denials = statements.filter(({ Effect }) => Effect === 'Deny').filter(each => !asksForTls(each))
  if (denials.some(deniesEverything)) return []
  return statements
    .filter(each => each.Effect === 'Allow' && !isHarmless(each))
    .flatMap(each => {
      const open = opennessOfStatement(each, account)
      // A denial may take the access away again, but for whom is not evaluated here.
      return open.length && isTakenBack(each, denials) ? [{ to: 'unclear' as const }] : open
    })
}

/** Whether a statement allows harmless actions only. One with NotAction does not: it allows all actions but a few. */
const isHarmless = ({ Action, NotAction }: Statement) =>
  NotAction === undefined && toList(Action).every(each => HARMLESS_ACTIONS.test(each))

/** Whether one of the denials may be about the actions of a statement. Of a statement that allows reading, only reading matters. */
function isTakenBack(allowed: Statement, denials: Statement[]): boolean {
  const relevantActions = allowsReading(allowed) ? [READ_ACTION] : toList(allowed.Action)
  return denials.some(
    ({ Action, NotAction }) =>
      NotAction !== undefined ||
      toList(Action).some(denied => relevantActions.some(each => mayShareAction(denied, each))),
  )
}

const allowsReading = ({ Action, NotAction }: Statement) =>
  NotAction !== undefined || toList(Action).some(each => mayShareAction(each, READ_ACTION))

/** Whether two names of actions, with or without wildcards, may have an action in common. Two with wildcards always may. */
function mayShareAction(one: string, other: string): boolean {
  const [a, b] = [one.toLowerCase(), other.toLowerCase()]
  const isPattern = (name: string) => /[*?]/.test(name)
  if (isPattern(a) && isPattern(b)) return true
  return isPattern(a) ? matchesPattern(b, a) : matchesPattern(a, b)
}

/**
 * Whether a name matches a pattern of IAM, where `*` is any text and `?` any character. Unlike a regular expression, it takes no
 * longer for a pattern with many stars: it goes over the pattern once, with all positions in the name at which a match may be.
 */
function matchesPattern(name: string, pattern: string): boolean {
  let positions = new Set([0])
  for (const character of pattern) {
    const before = [...positions]
    positions = new Set(
      character === '*'
        ? Array.from({ length: name.length + 1 }, (_, n) => n).slice(Math.min(...before, name.length + 1))
        : before.filter(n => n < name.length && (character === '?' || name[n] === character)).map(n => n + 1),
    )
  }
  return positions.has(name.length)
}

function statementsIn(policy: string): Statement[] | undefined {
  const { success, output } = v.safeParse(schema, policy)
  return success ? [output.Statement].flat() : undefined
}

/** Whether a denial is about calls without TLS only. Such a denial takes no access away, as all callers can use TLS. */
const asksForTls = ({ Condition = {} }: Statement) =>
  JSON.stringify(Condition).toLowerCase().replaceAll('["false"]', '"false"') ===
  '{"bool":{"aws:securetransport":"false"}}'

/** Whether a denial takes all access away from everybody. */
const deniesEverything = ({ Principal, NotPrincipal, Action, NotAction, Resource, Condition }: Statement) =>
  isEverybody(Principal) &&
  NotPrincipal === undefined &&
  NotAction === undefined &&
  toList(Resource).includes('*') &&
  Condition === undefined &&
  toList(Action).some(action => /^(\*|(secretsmanager|ssm):\*)$/i.test(action))

/** To whom outside the account a statement gives access, without regard to other statements. */
function opennessOfStatement(
  { Principal, NotPrincipal, NotAction, Condition }: Statement,
  account: string,
): OutsideAccess[] {
  if (NotPrincipal !== undefined || Principal === undefined) return [{ to: 'unclear' }]
  if (toList(NotAction).some(each => mayShareAction(each, READ_ACTION))) return [{ to: 'unclear' }]
  if (isEverybody(Principal)) return [Condition ? organisationIn(Condition) : { to: 'everybody' }]
  return Object.entries(Principal as Record<string, string | string[]>).flatMap(
    ([kind, given]): OutsideAccess[] => {
      const names = toList(given)
      if (kind === 'Service') return [{ to: 'service', names }]
      if (kind !== 'AWS') return [{ to: 'unclear' }]
      const accounts = names.map(accountOf)
      if (accounts.includes(undefined)) return [{ to: 'unclear' }]
      const others = [...new Set(accounts.flatMap(each => (each && each !== account ? [each] : [])))]
      if (!others.length) return []
      return [Condition ? { to: 'unclear' } : { to: 'account', names: others }]
    },
  )
}

const isEverybody = (principal: Statement['Principal']) =>
  principal === '*' || (principal !== undefined && toList(principal.AWS).includes('*'))

/** The organisations that a condition requires; `unclear` if it requires anything else. */
function organisationIn(condition: NonNullable<Statement['Condition']>): OutsideAccess {
  const [[operator = '', keys = {}] = [], ...others] = Object.entries(condition)
  const [[key = '', value] = [], ...more] = Object.entries(keys)
  const names = toList(value as string | string[] | undefined)
  const isOrganisation =
    operator === 'StringEquals' &&
    key.toLowerCase() === 'aws:principalorgid' &&
    names.length > 0 &&
    names.every(name => /^o-[a-z0-9]{10,32}$/.test(name))
  return isOrganisation && !others.length && !more.length ? { to: 'organisation', names } : { to: 'unclear' }
}

/** The account of a principal, which is an account's number or an ARN. Undefined for the id of a deleted user or role. */
function accountOf(principal: string): string | undefined {
  return /^(\d{12})$/.exec(principal)?.[1] ?? /^arn:[\w-]+:(?:iam|sts)::(\d{12}):/.exec(principal)?.[1]
}

const toList = (given: string | string[] | undefined): string[] => (given === undefined ? [] : [given].flat())
