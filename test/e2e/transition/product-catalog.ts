import { asProduct } from '../../helpers/database.js';

/** Schemas of PostgreSQL and of this service. */
const FOREIGN = `n.nspname NOT LIKE 'pg\\_%' AND n.nspname NOT IN ('information_schema', 'tandem')`;

/** One line for each object, with everything that a change of the object would change. */
const CATALOG = `
  SELECT 'schema ' || n.nspname || ' ' || n.nspowner || ' ' || coalesce(n.nspacl::text, '') AS line FROM pg_namespace n WHERE ${FOREIGN}
  UNION ALL
  SELECT format('relation %s.%s %s %s %s %s %s', n.nspname, c.relname, c.relkind, c.relowner, c.relfilenode, c.relacl, c.reloptions)
  FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE ${FOREIGN}
  UNION ALL
  SELECT format('column %s.%s.%s %s %s %s %s', n.nspname, c.relname, a.attname, a.atttypid, a.attnotnull, a.attacl, pg_get_expr(d.adbin, d.adrelid))
  FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid JOIN pg_namespace n ON n.oid = c.relnamespace
    LEFT JOIN pg_attrdef d ON d.adrelid = c.oid AND d.adnum = a.attnum
  WHERE ${FOREIGN} AND a.attnum > 0
  UNION ALL
  SELECT format('index %s %s %s', n.nspname, pg_get_indexdef(i.indexrelid), i.indisvalid)
  FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid JOIN pg_namespace n ON n.oid = c.relnamespace WHERE ${FOREIGN}
  UNION ALL
  SELECT format('constraint %s.%s %s %s', n.nspname, o.conname, o.conrelid::regclass, pg_get_constraintdef(o.oid))
  FROM pg_constraint o JOIN pg_namespace n ON n.oid = o.connamespace WHERE ${FOREIGN}
  UNION ALL
  SELECT format('trigger %s.%s %s %s', n.nspname, c.relname, t.tgname, t.tgenabled)
  FROM pg_trigger t JOIN pg_class c ON c.oid = t.tgrelid JOIN pg_namespace n ON n.oid = c.relnamespace WHERE ${FOREIGN}
  UNION ALL
  SELECT format('function %s.%s %s %s %s', n.nspname, p.proname, p.oid, p.proacl, md5(p.prosrc))
  FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace WHERE ${FOREIGN}
  UNION ALL
  SELECT format('type %s.%s %s', n.nspname, t.typname, t.oid)
  FROM pg_type t JOIN pg_namespace n ON n.oid = t.typnamespace WHERE ${FOREIGN}
  UNION ALL
  SELECT format('rule %s.%s %s', n.nspname, c.relname, pg_get_ruledef(r.oid))
  FROM pg_rewrite r JOIN pg_class c ON c.oid = r.ev_class JOIN pg_namespace n ON n.oid = c.relnamespace WHERE ${FOREIGN}
  UNION ALL
  SELECT format('policy %s.%s %s', n.nspname, c.relname, p.polname)
  FROM pg_policy p JOIN pg_class c ON c.oid = p.polrelid JOIN pg_namespace n ON n.oid = c.relnamespace WHERE ${FOREIGN}
  UNION ALL
  SELECT format('extension %s %s', extname, extversion) FROM pg_extension
  UNION ALL
  SELECT format('setting %s %s %s', setdatabase, setrole, setconfig) FROM pg_db_role_setting s
    JOIN pg_database d ON d.oid = s.setdatabase WHERE d.datname = current_database()
  ORDER BY line`;

/** Every object in the database that is neither PostgreSQL's nor this service's. */
export async function productCatalog(url: string): Promise<string[]> {
  return (await asProduct<{ line: string }>(url, CATALOG)).map(({ line }) => line);
}
