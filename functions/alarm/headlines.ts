import { ENDING_MEANINGS } from '../../fleet/endings.ts'

/** Everything that an alarm can tell of, each with the sentence that says what happened. */
export const HEADLINES = {
  ...ENDING_MEANINGS,
  several: 'Rotations that were due failed.',
  parked:
    'A database server does not answer. What is due there waits, and begins as soon as a run finds that it does; until then this is not told again.',
  run: 'A run of what was due did not come to its end: rotations may not have begun, or their failures not been told.',
  late: 'Credentials should have rotated and have not.',
  lagging:
    'Regions that are named may go on with a value of before. While a replica is behind, or cannot be asked, what was replaced stays open and no rotation begins.',
  elsewhere:
    'Secrets stand alone in another Region as well, as after a promotion there. None of them rotates here, and nothing is closed, until somebody has said which of the two rotates; this is told once.',
  promotion:
    'A Region was given up, and credentials of it could not be promoted: applications here may be unable to log in with them.',
  promotionEnded:
    'A promotion, or its rehearsal, did not come to its end: what became of the rest is not known.',
  notReady: 'If the other Region were lost today, these credentials could not be promoted here.',
  managed: 'Secrets Manager could not rotate a secret.',
  abandoned: 'A version made by hand ended a rotation of Secrets Manager.',
  alarm: 'A CloudWatch alarm of Keyturn changed its state.',
  well: 'What had failed went well: the credential was rotated.',
  followed: 'What had failed went well: every Region has the new value of the credential.',
  denied:
    'An event says so, and nothing that this stack did bears it out: whoever may put events on the bus can have forged it.',
  unknown: 'One of the alarm rules matched an event that Keyturn cannot read.',
}
/** The name of what an alarm tells of: a key of HEADLINES. */
export type Headline = keyof typeof HEADLINES

/** The headlines of critical alarms: the application may be unable to log in, or nobody can tell whether it is. */
export const CRITICAL_HEADLINES: readonly Headline[] = [
  'lockout',
  'before',
  'stopped',
  'unclear',
  'promotion',
]
