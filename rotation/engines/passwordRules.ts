import { NotPermitted } from '../errors.ts'

/** The server's own rules for passwords do not take one. */
export class RefusedByPasswordRules extends NotPermitted {}
