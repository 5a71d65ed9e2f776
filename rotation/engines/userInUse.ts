import { Conflict } from '../errors.ts'

/** A user that is to be dropped has open sessions, which would fail without it. They may end by themselves. */
export class UserInUse extends Conflict {}
