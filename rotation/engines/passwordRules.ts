import { NotPermitted } from '../errors.ts'

/** The server's own password rules refuse a password. */
export class RefusedByPasswordRules extends NotPermitted {}
