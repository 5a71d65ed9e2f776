import { UnreadFact } from '../known.ts'
import { isTurned } from '../schedule.ts'
import { ENROL } from './enrol.ts'
import { type CredentialRule, ofPrimaries, securityHub } from './rule.ts'

/** The secrets that others rotate by. */
export const admins: CredentialRule[] = [
  {
    id: 'admin-not-rotated',
    title: 'An admin that nothing rotates',
    severity: 'high',
    why: 'It can set the password of every user that it rotates, and is itself the same for ever.',
    references: securityHub.rotates,
    check: ofPrimaries((secret, fleet) => {
      if (isTurned(secret) || !fleet.isAdmin(secret)) return undefined
      return {
        detail: 'Others rotate by it, as they name it as their admin, or its tag keyturn:admin says.',
        remedy: ENROL,
      }
    }),
  },
  {
    id: 'admin-shared',
    title: 'One admin for many credentials',
    severity: 'low',
    why: 'Whoever gets its value gets all of them; and when it does not log in, none of them rotates.',
    references: [],
    check: ofPrimaries((secret, fleet) => {
      const { users, more } = fleet.usersOf(secret)
      const { adminUses } = fleet.settingsOf(secret)
      if (users.length > adminUses)
        return {
          detail: `${more ? 'At least ' : ''}${users.length} credentials rotate by it, and ${adminUses} may.`,
          remedy:
            'Make an admin for each server, tag its secret keyturn:admin=true, and name that as masterarn in the values.',
        }
      // Which admins the others name is not known.
      if (more && users.length + more.count > adminUses) throw new UnreadFact(more.why)
      return undefined
    }),
  },
]
