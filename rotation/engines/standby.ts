import { Unreachable } from '../errors.ts'

/**
 * The server accepts no changes, because it is a copy of a database that has not been promoted. The login was given up
 * before the password was tried. The error may pass by itself, once a failover is over.
 */
export class Standby extends Unreachable {}
