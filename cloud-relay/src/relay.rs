//! Wires everything in one readable list; starts, watches and joins the tasks; drains in order.
