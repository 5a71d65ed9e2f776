import { promotionRemedy } from './promotion/remedies.ts'

/**
 * What to do about each failure, in a sentence or two. A key is the anchor of the failure's entry in docs/runbook.md, where the
 * remedy is told at length.
 */
export const REMEDIES: Record<string, string> = {
  // No prototype, as a name may come from an event.
  __proto__: null as never,
  invalidinput:
    'Start it with a store and an id that exist; if the message names an environment variable, deploy again.',
  invalidcredential:
    'Correct what the message names, a field of the stored value or the secret that was named, then rotate again.',
  invalidoption:
    'Correct the tag or the parameter of the deployment that the message names, then rotate again.',
  loginrefused: 'Store the password that the database has for this user, then rotate again.',
  adminrefused: "Store the admin's right password in the secret that masterarn names, then rotate again.",
  unreachable:
    'See that the server is up, and that security groups and routes let the functions reach its host and port.',
  tlsfailed:
    "Set caFile to the issuer of the server's certificate, and use the host name that the certificate has.",
  notpermitted:
    'From AWS: tag the credential keyturn:managed=true, its admin keyturn:admin=true. From a database: grant what the message names.',
  hostmismatch: "Make the admin's secret and this one name the same server, then rotate again.",
  notathome:
    'Rotate the one in the Region that the tag keyturn:home names; if it was promoted there, do nothing here. Only where the tag is wrong, set it to this Region.',
  replicasbehind:
    'Mend the cause that the message names, then call keyturn replicas ID --repair REGION; or remove the replica, or give the Region up. Rotate again, if it was refused.',
  promotedelsewhere:
    'If the other secret is to rotate, set the tag keyturn:home of this one to its Region. If this one is to rotate, set that tag of the other to this Region, and give its Region up here: keyturn replicas ID --give-up REGION.',
  rotationinprogress: 'Wait until the other rotation of this credential has ended.',
  rotationabandoned: 'Nothing: the rotation that found it rolls it back.',
  superseded: 'Rotate again, if the value that somebody stored meanwhile is not to stay.',
  tokenreused: 'Start the execution again, without giving it a name.',
  conflict: 'Stop whatever else changes this user, then rotate again.',
  rdsbusy: 'Wait until the status of the database is available, then rotate again.',
  throttled: "Rotate again later; look at the account's quotas if it happens often.",
  testfailed:
    'Mend what the message names, the tag keyturn:test-query or what the user may do, then rotate again.',
  lockedout:
    "Try the stored current value. If it does not log in, set the user's password to it as an administrator of the database; then rotate again.",
  databasefailed: "Look up the code in the database's manual, mend its cause, then rotate again.",
  storefailed: 'Look up the request in CloudTrail, mend its cause, then rotate again.',
  unexpected: "Read the stack in the function's log, and report it.",
  'retiresecret-failed': 'Close the replaced user by hand, or rotate again, which gives it a new password.',
  'announcesuccess-failed':
    'See that the event bus exists and takes events of this account, then rotate again.',
  'execution-failed': 'Open the execution in the console; rotate again, which rolls back what was left.',
  'managed-rotation-failed':
    'Look at the latest rotation of this secret; Secrets Manager tries again by itself.',
  'event-check-failed':
    'Find out who may put events on the bus: no execution confirms what this event says, so it was not believed.',
  'telling-failed':
    'Read the queue of dead letters, mend what kept them from being told, then send them again.',
  'recording-failed':
    'Read the queue of dead letters, mend what kept them from being recorded, then send them again.',
  'several-rotations-failed': 'Look at the database server first: it is what these rotations have in common.',
  'rotations-parked': 'Bring the database server back; what waits rotates by itself as soon as it answers.',
  'start-or-watch-failed': 'Mend what the reason names; what is still due begins with the next run.',
  'run-failed': 'Look at the execution of rotate-due; the next run takes up what is still due.',
  hostunmapped: promotionRemedy('HostUnmapped'),
  stillstandby: promotionRemedy('StillStandby'),
  replicamissing: promotionRemedy('ReplicaMissing'),
  standsalone: promotionRemedy('StandsAlone'),
  regionanswers: promotionRemedy('RegionAnswers'),
  'promotion-failed':
    'See which ones by keyturn promote --dry-run, mend what each reason names, then promote again: it takes up the rest.',
  'promotion-not-ready':
    'Mend what each reason names while the other Region is there; keyturn replicas --ready shows them all.',
  'late-credentials':
    'Look at the status of each that is named: the reason is a tag, a window, or tries that failed.',
}

/** What to do about an error, by its name. Undefined for an error that is not one of Keyturn's. */
export const remedyOf = (error: string): string | undefined => REMEDIES[error.toLowerCase()]
