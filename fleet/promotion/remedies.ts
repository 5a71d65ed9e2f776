/** What to do where a replica was not promoted, or could not be promoted today, by the name of the error. */
const PROMOTION_REMEDIES: Record<string, string> = {
  // No prototype, as a name comes from a table.
  __proto__: null as never,
  HostUnmapped:
    'Write the line that the message names into the file of the parameter hostMap, and deploy again; or have the value name an endpoint that follows the writer.',
  StillStandby: 'Promote the database here first: it takes logins, and no changes.',
  LoginRefused:
    'None of its versions in this Region has the password that the database here has for this user. If the database here is the one to go on, set the password there, as its administrator, to that of the current version of this Region, then call the command again with --again.',
  NotPermitted:
    'From AWS: tag the primary keyturn:managed=true, an admin keyturn:admin=true, and have kmsKeyArn here name the key of its replica. From a database: grant what the message names.',
  InvalidCredential:
    'Correct what the message names: a field of the stored value, or a parameter of this Region.',
  InvalidOption: 'Correct the tag that the message names.',
  ReplicaMissing: 'Make the replica, in the Region of its primary: keyturn replicas ID --add REGION.',
  ReplicasBehind:
    'Mend the cause that the message names, in the Region of the primary: keyturn replicas ID --repair REGION.',
  StandsAlone:
    'Find out which of the two secrets applications here use: a secret of its own is never overwritten. One that nobody reads may be deleted, and the replica added again.',
  RegionAnswers:
    'If the other Region is there, promote with --planned: nothing is lost. If its databases are gone, promote with --lost.',
  NotAtHome: 'Go on with the hand-over that was begun, or end it: the message says how either is done.',
  Unreachable:
    'See that the host in the file of hostMap is right and the server here is up, and that security groups and routes let the functions of this Region reach its host and port.',
  TlsFailed:
    "Have caFile of the stack here hold the issuer of this server's certificate, and use the host name that the certificate has.",
  AdminRefused: "Promote the admin's secret first; it is the one that masterarn names, in this Region.",
  DatabaseFailed: "Look up the code in the database's manual, and mend its cause.",
  RotationInProgress: 'Wait until that rotation has ended over there, or was rolled back.',
  Conflict: 'Call the command again a little later.',
  Superseded:
    'Call the command again: the secret got another current version in the middle of the promotion.',
  Throttled: 'Call the command again a little later.',
  StoreFailed: 'Look up the request in CloudTrail, and mend its cause.',
}

const UNKNOWN_ERROR_REMEDY = "Look at the execution, and at the log of the stack's functions of promotion."

/** What to do about an error of a promotion or of its rehearsal, in a sentence or two, by the error's name. */
export const promotionRemedy = (error = ''): string => PROMOTION_REMEDIES[error] ?? UNKNOWN_ERROR_REMEDY
