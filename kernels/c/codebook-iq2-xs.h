/* Made by kernels/tables/generate.ts from kernels/tables/codebooks.ts; edit those. */
enum { ENTRY_LENGTH = 8, LEVEL_BITS = 2, RADIX = 3, ENTRIES = 512 };
static const float MAGNITUDES[4] = {1.000f, 3.125f, 5.375f, 0.000f};
static const uint16_t CODES[512] = {
    0x0000, 0x0002, 0x0005, 0x0008, 0x000a, 0x0011, 0x0014, 0x0016, 0x0019, 0x0020, 0x0022, 0x0025,
    0x0028, 0x0041, 0x0044, 0x0046, 0x0049, 0x0050, 0x0052, 0x0055, 0x0058, 0x0061, 0x0064, 0x0080,
    0x0082, 0x0085, 0x0088, 0x0091, 0x0094, 0x0099, 0x00a0, 0x0101, 0x0104, 0x0106, 0x0109, 0x0110,
    0x0112, 0x0115, 0x0118, 0x011a, 0x0121, 0x0124, 0x0140, 0x0142, 0x0145, 0x0148, 0x0151, 0x0154,
    0x0160, 0x0168, 0x0181, 0x0184, 0x0190, 0x0200, 0x0202, 0x0205, 0x0208, 0x0211, 0x0214, 0x0220,
    0x0241, 0x0244, 0x0250, 0x0255, 0x0280, 0x028a, 0x0401, 0x0404, 0x0406, 0x0409, 0x0410, 0x0412,
    0x0415, 0x0418, 0x0421, 0x0424, 0x0440, 0x0442, 0x0445, 0x0448, 0x0451, 0x0454, 0x0456, 0x0460,
    0x0481, 0x0484, 0x0490, 0x0500, 0x0502, 0x0505, 0x0508, 0x0511, 0x0514, 0x0520, 0x0541, 0x0544,
    0x0550, 0x0561, 0x0580, 0x0601, 0x0604, 0x0610, 0x0626, 0x0640, 0x0642, 0x0684, 0x0800, 0x0802,
    0x0805, 0x0808, 0x080a, 0x0811, 0x0814, 0x0820, 0x0825, 0x0841, 0x0844, 0x0850, 0x0858, 0x0880,
    0x08a0, 0x08aa, 0x0901, 0x0904, 0x0910, 0x0940, 0x0981, 0x0989, 0x0a00, 0x0a20, 0x0a28, 0x0a96,
    0x0aa0, 0x1001, 0x1004, 0x1006, 0x1009, 0x1010, 0x1012, 0x1015, 0x1018, 0x1021, 0x1024, 0x1040,
    0x1042, 0x1045, 0x1048, 0x1051, 0x1054, 0x1060, 0x106a, 0x1081, 0x1084, 0x1090, 0x1100, 0x1102,
    0x1105, 0x1108, 0x1111, 0x1114, 0x1120, 0x1141, 0x1144, 0x1150, 0x1180, 0x1194, 0x1196, 0x1201,
    0x1204, 0x1206, 0x1210, 0x1240, 0x1260, 0x1400, 0x1402, 0x1405, 0x1408, 0x1411, 0x1414, 0x1420,
    0x1441, 0x1444, 0x1449, 0x1450, 0x1464, 0x1480, 0x1501, 0x1504, 0x1510, 0x1540, 0x1600, 0x1614,
    0x1649, 0x1801, 0x1804, 0x1810, 0x1812, 0x1840, 0x1854, 0x1886, 0x1900, 0x1905, 0x1966, 0x1a51,
    0x1aa9, 0x2000, 0x2002, 0x2005, 0x2008, 0x200a, 0x2011, 0x2014, 0x2020, 0x2041, 0x2044, 0x2050,
    0x2080, 0x20a0, 0x2101, 0x2104, 0x2110, 0x2140, 0x2148, 0x2165, 0x2200, 0x2222, 0x2280, 0x22a8,
    0x2401, 0x2404, 0x2410, 0x2429, 0x2440, 0x2500, 0x2541, 0x2552, 0x2599, 0x2601, 0x261a, 0x26a6,
    0x2800, 0x2808, 0x280a, 0x2820, 0x2855, 0x2888, 0x28a2, 0x2968, 0x2990, 0x2a08, 0x2a20, 0x2a82,
    0x2a88, 0x2a8a, 0x4001, 0x4004, 0x4006, 0x4009, 0x4010, 0x4012, 0x4015, 0x4018, 0x4021, 0x4024,
    0x4040, 0x4042, 0x4045, 0x4048, 0x404a, 0x4051, 0x4054, 0x4060, 0x4065, 0x4081, 0x4084, 0x4090,
    0x4100, 0x4102, 0x4105, 0x4108, 0x4111, 0x4114, 0x4120, 0x4141, 0x4144, 0x4150, 0x4180, 0x4185,
    0x41a2, 0x4201, 0x4204, 0x4210, 0x4212, 0x4229, 0x4240, 0x4400, 0x4402, 0x4405, 0x4408, 0x4411,
    0x4414, 0x4419, 0x4420, 0x4441, 0x4444, 0x4450, 0x4480, 0x4494, 0x4501, 0x4504, 0x4510, 0x4524,
    0x4540, 0x459a, 0x4600, 0x460a, 0x4644, 0x4650, 0x4801, 0x4804, 0x4810, 0x4840, 0x4845, 0x4854,
    0x4862, 0x4900, 0x4911, 0x4944, 0x4950, 0x4969, 0x4a04, 0x5000, 0x5002, 0x5005, 0x5008, 0x5011,
    0x5014, 0x5020, 0x5028, 0x5041, 0x5044, 0x5050, 0x5080, 0x5101, 0x5104, 0x5110, 0x5115, 0x5140,
    0x5142, 0x5200, 0x5244, 0x52aa, 0x5401, 0x5404, 0x5410, 0x5421, 0x5440, 0x5460, 0x5481, 0x54a1,
    0x5500, 0x5508, 0x5580, 0x5588, 0x5621, 0x5668, 0x56a1, 0x5800, 0x5814, 0x5841, 0x5850, 0x5899,
    0x591a, 0x5940, 0x5942, 0x5a85, 0x6001, 0x6004, 0x6010, 0x6040, 0x6054, 0x6062, 0x6086, 0x60a9,
    0x6100, 0x6224, 0x624a, 0x6292, 0x6400, 0x6416, 0x6510, 0x6540, 0x6545, 0x65a4, 0x6801, 0x686a,
    0x6925, 0x6a06, 0x6a54, 0x6a62, 0x8000, 0x8002, 0x8005, 0x8008, 0x8011, 0x8014, 0x8020, 0x802a,
    0x8041, 0x8044, 0x8050, 0x8080, 0x8082, 0x80a8, 0x80aa, 0x8101, 0x8104, 0x8106, 0x8110, 0x8140,
    0x8151, 0x8159, 0x8200, 0x8220, 0x8280, 0x8282, 0x82a0, 0x82a8, 0x8401, 0x8404, 0x8410, 0x8412,
    0x8415, 0x8440, 0x8460, 0x8489, 0x8500, 0x8544, 0x85a5, 0x8618, 0x866a, 0x8800, 0x8808, 0x8825,
    0x885a, 0x8880, 0x8882, 0x88a8, 0x8906, 0x8a22, 0x8a80, 0x8a88, 0x8a96, 0x8aa8, 0x9001, 0x9004,
    0x9010, 0x9040, 0x9056, 0x9084, 0x9100, 0x9122, 0x9164, 0x9256, 0x9289, 0x9400, 0x9405, 0x9444,
    0x9450, 0x9458, 0x9529, 0x9590, 0x9592, 0x9641, 0x9851, 0x98a6, 0x9949, 0x9a15, 0x9a60, 0xa000,
    0xa002, 0xa008, 0xa00a, 0xa020, 0xa02a, 0xa0a0, 0xa151, 0xa159, 0xa1a6, 0xa200, 0xa202, 0xa208,
    0xa22a, 0xa280, 0xa2a0, 0xa440, 0xa495, 0xa665, 0xa698, 0xa80a, 0xa820, 0xa822, 0xa828, 0xa8a0,
    0xa8a8, 0xa904, 0xa984, 0xa986, 0xaa28, 0xaa2a, 0xaa91, 0xaaaa,
};

V4_INLINE vi best_entry(vi step[ENTRY_LENGTH][RADIX - 1]) {
  const vi t0 = vi_set(0);
  const vi t1 = step[6][0];
  const vi t2 = step[6][1];
  const vi t3 = step[4][0];
  const vi q11 = step[4][0] + step[6][0];
  const vi t4 = q11;
  const vi q12 = step[4][0] + step[6][1];
  const vi t5 = q12;
  const vi t6 = step[4][1];
  const vi q21 = step[4][1] + step[6][0];
  const vi t7 = q21;
  const vi q22 = step[4][1] + step[6][1];
  const vi t8 = q22;
  const vi t9 = step[3][0];
  const vi t10 = step[3][0] + step[6][0];
  const vi t11 = step[3][0] + step[6][1];
  const vi t12 = step[3][0] + step[4][0];
  const vi t13 = step[3][0] + q11;
  const vi t14 = step[3][0] + q12;
  const vi t15 = step[3][0] + step[4][1];
  const vi t16 = step[3][0] + q21;
  const vi t17 = step[3][0] + q22;
  const vi t18 = step[3][1];
  const vi t19 = step[3][1] + step[6][0];
  const vi t20 = step[3][1] + step[6][1];
  const vi t21 = step[3][1] + step[4][0];
  const vi t22 = step[3][1] + q11;
  const vi t23 = step[3][1] + q12;
  const vi t24 = step[3][1] + step[4][1];
  const vi t25 = step[3][1] + q21;
  const vi t26 = step[3][1] + q22;
  const vi t27 = step[2][0];
  const vi t28 = step[2][0] + step[6][0];
  const vi t29 = step[2][0] + step[6][1];
  const vi t30 = step[2][0] + step[4][0];
  const vi t31 = step[2][0] + q11;
  const vi t32 = step[2][0] + q12;
  const vi t33 = step[2][0] + step[4][1];
  const vi t34 = step[2][0] + q21;
  const vi t35 = step[2][0] + q22;
  const vi p11 = step[2][0] + step[3][0];
  const vi t36 = p11;
  const vi t37 = p11 + step[6][0];
  const vi t38 = p11 + step[6][1];
  const vi t39 = p11 + step[4][0];
  const vi t40 = p11 + q11;
  const vi t41 = p11 + q12;
  const vi t42 = p11 + step[4][1];
  const vi t43 = p11 + q21;
  const vi t44 = p11 + q22;
  const vi p12 = step[2][0] + step[3][1];
  const vi t45 = p12;
  const vi t46 = p12 + step[6][0];
  const vi t47 = p12 + step[6][1];
  const vi t48 = p12 + step[4][0];
  const vi t49 = p12 + q11;
  const vi t50 = p12 + q12;
  const vi t51 = p12 + step[4][1];
  const vi t52 = p12 + q22;
  const vi t53 = step[2][1];
  const vi t54 = step[2][1] + step[6][0];
  const vi t55 = step[2][1] + step[6][1];
  const vi t56 = step[2][1] + step[4][0];
  const vi t57 = step[2][1] + q11;
  const vi t58 = step[2][1] + q12;
  const vi t59 = step[2][1] + step[4][1];
  const vi t60 = step[2][1] + q21;
  const vi t61 = step[2][1] + q22;
  const vi p21 = step[2][1] + step[3][0];
  const vi t62 = p21;
  const vi t63 = p21 + step[6][0];
  const vi t64 = p21 + step[6][1];
  const vi t65 = p21 + step[4][0];
  const vi t66 = p21 + q11;
  const vi t67 = p21 + q12;
  const vi t68 = p21 + step[4][1];
  const vi t69 = p21 + q21;
  const vi t70 = p21 + q22;
  const vi p22 = step[2][1] + step[3][1];
  const vi t71 = p22;
  const vi t72 = p22 + step[6][0];
  const vi t73 = p22 + step[6][1];
  const vi t74 = p22 + step[4][0];
  const vi t75 = p22 + q12;
  const vi t76 = p22 + step[4][1];
  const vi t77 = p22 + q21;
  const vi t78 = p22 + q22;
  const vi t79 = vi_min(t1, t27);
  const vi t80 = vi_min(t0, t2);
  const vi t81 = vi_min(t3, t9);
  const vi t82 = vi_min(t79, t81);
  const vi t83 = vi_min(t30, t80);
  const vi t84 = vi_min(t4, t53);
  const vi t85 = vi_min(t6, t12);
  const vi t86 = vi_min(t10, t83);
  const vi t87 = vi_min(t28, t36);
  const vi t88 = vi_min(t85, t87);
  const vi t89 = vi_min(t18, t84);
  const vi t90 = vi_min(t86, t88);
  const vi t91 = vi_min(t89, t90);
  const vi t92 = vi_min(t37, t82);
  const vi t93 = vi_min(t0, t73);
  const vi t94 = vi_min(t14, t91);
  const vi t95 = vi_min(t24, t55);
  const vi t96 = vi_min(t8, t26);
  const vi t97 = vi_min(t11, t62);
  const vi t98 = vi_min(t13, t33);
  const vi t99 = vi_min(t15, t45);
  const vi t100 = vi_min(t19, t54);
  const vi t101 = vi_min(t21, t31);
  const vi t102 = vi_min(t39, t92);
  const vi t103 = vi_min(t56, t99);
  const vi t104 = vi_min(t59, t96);
  const vi t105 = vi_min(t61, t71);
  const vi t106 = vi_min(t65, t94);
  const vi t107 = vi_min(t0, t10);
  const vi t108 = vi_min(t5, t7);
  const vi t109 = vi_min(t8, t80);
  const vi t110 = vi_min(t16, t38);
  const vi t111 = vi_min(t18, t57);
  const vi t112 = vi_min(t19, t66);
  const vi t113 = vi_min(t20, t104);
  const vi t114 = vi_min(t22, t32);
  const vi t115 = vi_min(t24, t63);
  const vi t116 = vi_min(t29, t97);
  const vi t117 = vi_min(t36, t78);
  const vi t118 = vi_min(t37, t52);
  const vi t119 = vi_min(t39, t41);
  const vi t120 = vi_min(t42, t63);
  const vi t121 = vi_min(t50, t55);
  const vi t122 = vi_min(t61, t91);
  const vi t123 = vi_min(t69, t95);
  const vi t124 = vi_min(t76, t91);
  const vi t125 = vi_min(t98, t100);
  const vi t126 = vi_min(t101, t102);
  const vi t127 = vi_min(t103, t108);
  const vi t128 = vi_min(t114, t120);
  const vi t129 = vi_min(t116, t125);
  const vi t130 = vi_min(t126, t127);
  const vi t131 = vi_min(t129, t130);
  vi best = vi_min(vi_min(vi_min(t34, vi_min(t40, t46)), vi_min(t48, vi_min(t57, t71))), vi_min(vi_min(t73, vi_min(t106, t110)), vi_min(t113, vi_min(t123, t128))));
  best = vi_min(best, t122 + step[0][1]);
  const vi r11 = step[0][0] + step[1][0];
  best = vi_min(best, vi_min(t42, vi_min(t67, t91)) + r11);
  best = vi_min(best, vi_min(t78, t106) + step[1][1]);
  const vi r22 = step[0][1] + step[1][1];
  best = vi_min(best, vi_min(t83, t115) + r22);
  best = vi_min(best, t131 + vi_min(step[0][0], vi_min(step[5][0], step[7][0])));
  best = vi_min(best, vi_min(t49, t131) + step[1][0]);
  const vi r21 = step[0][1] + step[1][0];
  best = vi_min(best, vi_min(t7, vi_min(t49, t82)) + r21);
  const vi r12 = step[0][0] + step[1][1];
  best = vi_min(best, vi_min(t45, t82) + r12);
  best = vi_min(best, vi_min(t8, t106) + step[0][0] + step[5][0]);
  best = vi_min(best, vi_min(t34, vi_min(t91, t115)) + step[1][0] + step[5][0]);
  best = vi_min(best, vi_min(t0, vi_min(t59, t117)) + r21 + step[5][0]);
  best = vi_min(best, vi_min(t16, vi_min(t107, t121)) + r12 + step[5][0]);
  best = vi_min(best, vi_min(t15, vi_min(t41, t82)) + step[0][1] + step[5][0]);
  best = vi_min(best, t82 + vi_min(r11 + step[5][0], step[1][1] + step[5][0]));
  best = vi_min(best, vi_min(vi_min(t59, t105), vi_min(t121, t124)) + step[5][1]);
  best = vi_min(best, vi_min(t26, vi_min(t28, t93)) + step[0][1] + step[5][1]);
  best = vi_min(best, vi_min(t0, vi_min(t38, t84)) + r11 + step[5][1]);
  best = vi_min(best, vi_min(vi_min(t36, t67), vi_min(t80, t113)) + step[1][1] + step[5][1]);
  best = vi_min(best, vi_min(t26, vi_min(t71, t80)) + r22 + step[5][1]);
  best = vi_min(best, vi_min(t21, vi_min(t43, t82)) + step[0][0] + step[5][1]);
  best = vi_min(best, t92 + step[1][0] + step[5][1]);
  best = vi_min(best, vi_min(t21, t77) + r12 + step[5][1]);
  best = vi_min(best, vi_min(t51, t112) + r21 + step[5][1]);
  best = vi_min(best, t35 + r22 + step[5][0]);
  best = vi_min(best, t91 + step[0][0] + step[7][0]);
  best = vi_min(best, vi_min(t110, t122) + step[1][0] + step[7][0]);
  best = vi_min(best, vi_min(t0, t20) + r21 + step[7][0]);
  best = vi_min(best, vi_min(t59, t93) + r12 + step[7][0]);
  best = vi_min(best, vi_min(vi_min(t52, t64), vi_min(t74, vi_min(t82, t98))) + step[0][1] + step[7][0]);
  best = vi_min(best, vi_min(t62, vi_min(t82, t101)) + r11 + step[7][0]);
  best = vi_min(best, vi_min(t54, t82) + step[1][1] + step[7][0]);
  best = vi_min(best, vi_min(t9, vi_min(t17, t77)) + r22 + step[7][0]);
  const vi s11 = step[5][0] + step[7][0];
  best = vi_min(best, vi_min(t94, t128) + s11);
  best = vi_min(best, t0 + vi_min(step[0][1] + s11, r11 + step[7][1]));
  best = vi_min(best, vi_min(t0, t14) + r11 + s11);
  best = vi_min(best, vi_min(vi_min(t0, t4), vi_min(t22, t69)) + step[1][1] + s11);
  best = vi_min(best, vi_min(vi_min(t60, t72), vi_min(t77, vi_min(t82, t100))) + step[0][0] + s11);
  best = vi_min(best, vi_min(t75, vi_min(t82, t103)) + step[1][0] + s11);
  best = vi_min(best, t27 + r12 + s11);
  best = vi_min(best, vi_min(t6, t48) + r22 + s11);
  const vi s21 = step[5][1] + step[7][0];
  best = vi_min(best, t86 + step[0][0] + s21);
  best = vi_min(best, vi_min(t0, vi_min(t44, t88)) + step[1][0] + s21);
  best = vi_min(best, vi_min(t13, t102) + s21);
  best = vi_min(best, vi_min(t9, vi_min(t25, t58)) + r11 + s21);
  best = vi_min(best, vi_min(t13, vi_min(t62, t70)) + step[0][1] + s21);
  best = vi_min(best, vi_min(t46, t65) + r12 + s21);
  best = vi_min(best, vi_min(t31, t64) + r22 + s21);
  best = vi_min(best, t29 + r21 + s11);
  best = vi_min(best, t8 + r21 + s21);
  best = vi_min(best, vi_min(vi_min(t73, t78), vi_min(t95, vi_min(t104, t124))) + step[7][1]);
  best = vi_min(best, vi_min(t24, vi_min(t109, t111)) + step[0][1] + step[7][1]);
  best = vi_min(best, vi_min(t71, vi_min(t76, t109)) + step[1][1] + step[7][1]);
  best = vi_min(best, vi_min(t82, t119) + step[0][0] + step[7][1]);
  best = vi_min(best, vi_min(t82, t112) + step[1][0] + step[7][1]);
  best = vi_min(best, vi_min(vi_min(t2, t53), vi_min(t55, t105)) + r22 + step[7][1]);
  best = vi_min(best, vi_min(vi_min(t3, t37), vi_min(t43, t75)) + r21 + step[7][1]);
  best = vi_min(best, vi_min(t25, t119) + r12 + step[7][1]);
  const vi s12 = step[5][0] + step[7][1];
  best = vi_min(best, vi_min(t0, t16) + step[0][0] + s12);
  best = vi_min(best, vi_min(t12, t107) + step[1][0] + s12);
  best = vi_min(best, vi_min(t49, vi_min(t92, t97)) + s12);
  best = vi_min(best, vi_min(t27, t49) + step[0][1] + s12);
  best = vi_min(best, vi_min(vi_min(t47, t70), vi_min(t74, t79)) + r11 + s12);
  best = vi_min(best, t111 + r12 + s12);
  best = vi_min(best, vi_min(t33, t118) + step[1][1] + s12);
  best = vi_min(best, t68 + r22 + s12);
  const vi s22 = step[5][1] + step[7][1];
  best = vi_min(best, vi_min(t18, vi_min(t93, t123)) + s22);
  best = vi_min(best, vi_min(vi_min(t76, t93), vi_min(t95, t105)) + step[1][1] + s22);
  best = vi_min(best, vi_min(t34, t53) + r11 + s22);
  best = vi_min(best, vi_min(t2, vi_min(t61, t117)) + r22 + s22);
  best = vi_min(best, vi_min(t18, vi_min(t55, t59)) + step[0][1] + s22);
  best = vi_min(best, vi_min(vi_min(t3, t23), vi_min(t51, t72)) + r21 + s22);
  best = vi_min(best, t118 + step[0][0] + s22);
  best = vi_min(best, t13 + r12 + s22);
  best = vi_min(best, vi_min(t5, t23) + step[1][0] + s22);
  return best;
}
