import { UnreadFact } from '../knownFact.ts'
import { isRotatedAutomatically } from '../schedule.ts'
import { ENROL_REMEDY } from './enrol.ts'
import { type CredentialRule, forPrimaries, SECURITY_HUB_CONTROLS } from './rule.ts'

/** Rules about the secrets of admins, by which other credentials are rotated. */
export const adminRules: CredentialRule[] = [
  {
    id: 'admin-not-rotated',
    title: 'An admin that nothing rotates',
    severity: 'high',
    why: 'It can set the password of every user that it rotates, and is itself the same for ever.',
    references: SECURITY_HUB_CONTROLS.rotates,
    check: forPrimaries((secret, fleet) => {
      if (isRotatedAutomatically(secret) || !fleet.isAdmin(secret)) return undefined
      return {
        detail: 'Others rotate by it, as they name it as their admin, or its tag keyturn:admin says so.',
        remedy: ENROL_REMEDY,
      }
    }),
  },
  {
    id: 'admin-shared',
    title: 'One admin for many credentials',
    severity: 'low',
    why: 'Whoever gets its value gets all of them; and when it does not log in, none of them rotates.',
    references: [],
    check: forPrimaries((secret, fleet) => {
      const { known, more } = fleet.credentialsRotatedBy(secret)
      const { adminUses } = fleet.settingsOf(secret)
      if (known.length > adminUses)
        return {
          detail: `${more ? 'At least ' : ''}${known.length} credentials rotate by it, and ${adminUses} may.`,
          remedy:
            'Make an admin for each server, tag its secret keyturn:admin=true, and name that as masterarn in the values.',
        }
      // The credentials whose rotations could not be read may be rotated by this admin too.
      if (more && known.length + more.count > adminUses) throw new UnreadFact(more.why)
      return undefined
    }),
  },
]
