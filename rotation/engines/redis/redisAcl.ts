import { createHash } from 'node:crypto'
import { DatabaseFailed } from '../../errors.ts'
import { NotAClone } from '../notAClone.ts'

/** One user as ACL LIST tells it, in words that ACL SETUSER takes. */
export type AclUser = {
  name: string
  /** `#digest` each, or `nopass`. */
  passwords: string[]
  /** All else but whether it is on; a selector is one of them. */
  rules: string[]
}

export const takesAnyPassword = ({ passwords }: AclUser) => passwords.includes('nopass')

/** Not among the rules. The last is what a user has anyhow, told of one and not of the other. */
const IGNORED_RULES = ['on', 'off', 'sanitize-payload']

/** What Redis keeps of a password. It is not salted, so equal passwords have equal digests. */
export const passwordDigest = (password: string) => createHash('sha256').update(password).digest('hex')

/**
 * Finds a user whose rules are to be written again.
 * @throws DatabaseFailed if they are not text, as they could not be
 */
export function findWritableUser(lines: string[], name: string): AclUser | undefined {
  const user = findAclUser(lines, name)
  if (user?.rules.some(rule => rule.includes('\ufffd')))
    throw new DatabaseFailed(`${name}: its rules hold what is not UTF-8`)
  return user
}

/** Finds a user in the answer to ACL LIST, whose lines are what Redis also keeps in its aclfile. */
export function findAclUser(lines: string[], name: string): AclUser | undefined {
  // `user <name> <rules>`; there is no space in a name, or in a rule that is no selector. Those come last.
  const line = lines.find(line => line.split(' ', 2)[1] === name)
  if (line === undefined) return undefined
  const words = sortCommandRules(line.slice(`user ${name} `.length)).match(/\(.*?\)(?= \(|$)|[^ ]+/g) ?? []
  const isPassword = (word: string) => word === 'nopass' || word.startsWith('#')
  return {
    name,
    passwords: words.filter(isPassword),
    rules: words.filter(word => !isPassword(word) && !IGNORED_RULES.includes(word)),
  }
}

/**
 * Sorts neighbours that are about single commands, so that equal users read the same: Redis 7.0 tells them in any order.
 * None is about the same as another, but one about a command's subcommand, which stays after it.
 */
function sortCommandRules(rules: string): string {
  const single = '[+-][^@ )][^ )]*'
  const command = (rule: string) => rule.slice(1)
  return rules.replace(new RegExp(`(?<= )${single}(?: ${single})+`, 'g'), neighbours =>
    neighbours
      .split(' ')
      .sort((a, b) => (command(a) < command(b) ? -1 : 1))
      .join(' '),
  )
}

/** What would make the clone's rules those of the user; nothing if they are. */
export function differences(user: AclUser, clone: AclUser): string[] {
  const without = (a: AclUser, b: AclUser) => a.rules.filter(rule => !b.rules.includes(rule))
  const found = [
    ...without(user, clone).map(rule => `give ${rule} to ${clone.name}`),
    ...without(clone, user).map(rule => `revoke ${rule} from ${clone.name}`),
  ]
  // A later rule about a command overrides an earlier one.
  if (!found.length && String(user.rules) !== String(clone.rules))
    return [`put the rules of ${clone.name} in the order of ${user.name}'s`]
  return found
}

/** Whoever may do one of these can give itself the rest. */
const isAdminRule = (rule: string) => /^\+(@all|@admin|@dangerous|acl|acl\|setuser)$/.test(rule)

/** What users that have nothing to do with each other have in common. */
const isCommonRule = (rule: string) =>
  /^(&\*|~\*|%(R|W|RW|WR)~\*|\+(ping|auth|hello|select|client\|set\w+|@connection))$/.test(rule)

/**
 * Somebody else's user that happens to have the clone's name must not be taken over by whoever reads the secret, nor
 * take the user over: `byClone` says that it is the clone whose password was proven. It then has to have two of the
 * user's rules, if there are two.
 * @throws Stranger if none of what it was given is the user's, or if it administers and the user does not
 */
export function requireClone(user: AclUser, clone: AclUser, byClone: boolean): void {
  const givenTo = ({ rules }: AclUser) =>
    new Set(rules.filter(rule => /^[+~%&(]/.test(rule) && !isCommonRule(rule)))
  const [had, has] = [givenTo(user), givenTo(clone)]
  const shared = had.intersection(has).size
  // Also by a selector.
  const mightOf = ({ rules }: AclUser) =>
    rules.flatMap(rule => rule.match(/[^ ()]+/g) ?? []).filter(isAdminRule)
  const more = mightOf(clone).find(rule => !mightOf(user).includes(rule))
  if (more)
    throw new NotAClone(
      `${clone.name} exists but is no clone of ${user.name}: it has ${more}; take that away, or rename it`,
    )
  if (has.size && !shared)
    throw new NotAClone(
      `${clone.name} exists but is no clone of ${user.name}: nothing that it may do is the user's; rename it`,
    )
  if (byClone && shared < Math.min(had.size, 2))
    throw new NotAClone(
      `${clone.name} exists but is no clone of ${user.name}: it may do too little of what the user may; rename it, or give it the user's rules`,
    )
}
